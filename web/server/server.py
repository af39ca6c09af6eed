"""The ASGI stack and the process that serves it.

The stack is lifespan, health, proxies, push, static files and Django.
"""

import asyncio
import errno
import os
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import CommandError
from servestatic import ServeStaticASGI

from web.server.handler import PooledHandler
from web.server.health import Health
from web.server.hub import Hub
from web.server.limits import ServerConfig
from web.server.proxies import ProxyHeaders
from web.server.push import Push

hub = Hub()
App = Callable[[Any, Any, Any], Any]
_GRACE_SECONDS = 3  # for requests in progress
_EXIT_SECONDS = 10  # for everything else; then the process exits anyway
_BACKLOG = 2048
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Server(uvicorn.Server):
    """A uvicorn server that reports not ready before it stops and ends the streams before it waits."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object] = lambda: None) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: Any = None) -> None:
        """Start to serve and then call the callback."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop, with readiness first.

        A load balancer has time to stop sending requests while they are still served.
        """
        health = getattr(self.config.loaded_app, "health", None)
        if health:
            health.stopping = True
        for _tenth in range(settings.DRAIN_SECONDS * 10):
            if not self.force_exit:
                await asyncio.sleep(0.1)
        await hub.stop()
        paths = [each.getsockname() for each in sockets or () if each.family == socket.AF_UNIX]
        await super().shutdown(sockets)
        for path in paths:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108  no blocking object in async code

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop, and exit the process after a time limit even if something does not end."""
        _exit_within(settings.DRAIN_SECONDS + _GRACE_SECONDS + _EXIT_SECONDS)
        super().handle_exit(sig, frame)


def build_config(app: Any, **options: Any) -> ServerConfig:
    """Return uvicorn's configuration for this project."""
    return ServerConfig(
        app,
        **{
            "lifespan": "on",
            "loop": "uvloop",
            "proxy_headers": False,
            "server_header": False,
            "access_log": False,
            "log_config": None,
            "log_level": "warning",
            "backlog": _BACKLOG,
            "timeout_graceful_shutdown": _GRACE_SECONDS,
            # longer than a device waits between polls; a timeout of 5 s would hit every second request
            "timeout_keep_alive": 75,
            **options,
        },
    )


def bind(address: str, port: int) -> socket.socket:
    """Return a socket that listens on ``address``; raise CommandError if that fails.

    ``address``: an IP address, a host name, or ``unix:`` and a path.
    """
    path = address.removeprefix("unix:") if address.startswith("unix:") else ""
    try:
        return _bind_path(path) if path else _bind_port(address, port)
    except OSError as error:
        where = address if path else f"{address} port {port}"
        why = "it is in use already" if error.errno == errno.EADDRINUSE else error.strerror
        raise CommandError(f"Cannot listen on {where} (FOYER_BIND, PORT): {why}.") from None


def serve(listening: socket.socket, on_started: Callable[[], object] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM. Call ``on_started`` once the server accepts requests."""
    server = Server(
        build_config(settings.ASGI_APPLICATION.replace(".application", ":application")), on_started
    )
    try:
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after the shutdown
            server.run([listening])
    except SystemExit:
        raise CommandError("The server did not start; the line above says why.") from None


def build_application(background: Callable[[], AbstractContextManager[None]]) -> App:
    """Return the ASGI application.

    In embedded mode, ``background`` runs from startup to shutdown.
    """
    handler = PooledHandler()
    static = ServeStaticASGI(
        handler,
        root=str(settings.STATIC_ROOT),
        prefix=settings.STATIC_URL,
        immutable_file_test=_has_content_hash,
    )
    health = Health(
        ProxyHeaders(Push(static, hub), settings.TRUSTED_PROXIES, forwarded_host=settings.FORWARDED_HOST)
    )

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(
                background if settings.EMBEDDED else nullcontext, (handler, health), receive, send
            )
        else:
            await health(scope, receive, _with_nosniff(send))

    application.health = health  # type: ignore[attr-defined]
    return application


def _with_nosniff(send: Any) -> Any:
    """Return a ``send`` that adds X-Content-Type-Options to every response of the stack."""

    async def send_with_header(message: Any) -> None:
        if message["type"] == "http.response.start" and not any(
            name == _NOSNIFF[0] for name, _ in message["headers"]
        ):
            message = {**message, "headers": [*message["headers"], _NOSNIFF]}
        await send(message)

    return send_with_header


async def _lifespan(
    background: Callable[[], AbstractContextManager[None]], closables: Any, receive: Any, send: Any
) -> None:
    await receive()
    work = background()
    try:
        await hub.start()
        await asyncio.to_thread(work.__enter__)
    except Exception as error:
        await hub.stop()  # tasks it already started would keep the process alive
        _exit_within(_EXIT_SECONDS)
        await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await hub.stop()
    await asyncio.to_thread(work.__exit__, None, None, None)
    for each in closables:
        await asyncio.to_thread(each.close)
    await send({"type": "lifespan.shutdown.complete"})


def _exit_within(seconds: float) -> None:
    """Exit the process after some seconds, if it has not ended by then.

    A task or thread of a library that does not notice its cancellation must not keep the process alive.
    """
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _bind_port(address: str, port: int) -> socket.socket:
    family, socket_type, protocol, _, name = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, socket_type, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(name)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _bind_path(path: str) -> socket.socket:
    """Return a socket that listens on a path.

    A socket file that no process listens on is replaced. The permissions of the directory control who may
    connect.
    """
    listening = socket.socket(socket.AF_UNIX)
    try:
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            with socket.socket(socket.AF_UNIX) as other:
                if other.connect_ex(path) == 0:
                    raise OSError(errno.EADDRINUSE, "")
            Path(path).unlink()
        listening.bind(path)
        Path(path).chmod(0o666)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _has_content_hash(path: str, url: str) -> bool:
    """Return whether a file's name contains a hash of its content, so that browsers may cache it forever."""
    parts = url.rsplit("/", 1)[-1].split(".")
    return len(parts) > 2 and len(parts[-2]) == 12
