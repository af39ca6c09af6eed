"""The ASGI stack: lifespan, health, proxies, static files, Django; and the process that serves it."""

import asyncio
import errno
import os
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import CommandError
from servestatic import ServeStaticASGI

from web.server.handler import PooledHandler
from web.server.health import Health
from web.server.hub import Hub
from web.server.limits import Config
from web.server.proxies import ProxyHeaders
from web.server.push import Push

hub = Hub()
App = Callable[[Any, Any, Any], Any]
_GRACE_SECONDS = 3  # for requests under way
_EXIT_SECONDS = 10  # for everything else that has to end; then the process ends without it
_BACKLOG = 2048
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Server(uvicorn.Server):
    """Says that it goes before it goes, and sends the listeners home before it waits for open connections to
    end.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], object] = lambda: None) -> None:
        super().__init__(config)
        self._on_started = started

    async def startup(self, sockets: Any = None) -> None:
        """Tells once it serves."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: Any = None) -> None:
        """Readiness first, so that a balancer has time to look elsewhere while requests are still served."""
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
                os.unlink(path)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Whatever then refuses to end, the process does not wait for it for ever."""
        _exit_within(settings.DRAIN_SECONDS + _GRACE_SECONDS + _EXIT_SECONDS)
        super().handle_exit(sig, frame)


def configured(app: Any, **options: Any) -> Config:
    """uvicorn as this product runs it."""
    return Config(
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
            # longer than any device waits between two polls: closing at 5 s would meet every second request
            "timeout_keep_alive": 75,
            **options,
        },
    )


def bind(address: str, port: int) -> socket.socket:
    """Return a socket that listens on ``address``, an IP address, a host name or ``unix:`` and a path; raise
    CommandError.
    """
    path = address.removeprefix("unix:") if address.startswith("unix:") else ""
    try:
        return _bind_path(path) if path else _bind_port(address, port)
    except OSError as error:
        where = address if path else f"{address} port {port}"
        why = "it is in use already" if error.errno == errno.EADDRINUSE else error.strerror
        raise CommandError(f"Cannot listen on {where} (FOYER_BIND, PORT): {why}.") from None


def serve(listening: socket.socket, started: Callable[[], object] = lambda: None) -> None:
    """Serves until SIGINT or SIGTERM; ``started`` is called once it does."""
    server = Server(configured(settings.ASGI_APPLICATION.replace(".application", ":application")), started)
    try:
        with suppress(KeyboardInterrupt):  # raised again once everything has ended
            server.run([listening])
    except SystemExit:
        raise CommandError("The server did not start; the line above says why.") from None


def build(background: Callable[[], AbstractContextManager[None]]) -> App:
    """The application; in the embedded mode ``background`` runs from start-up to shutdown."""
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
    """Every response says so, whichever part of the stack it comes from."""

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
        await hub.stop()  # what it began would keep the process alive
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
    """A library's task or thread that does not hear that it is cancelled must not keep the process from
    ending.
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
    """A socket file that nobody listens on any more is replaced. The folder says who may connect."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            with socket.socket(socket.AF_UNIX) as other:
                if other.connect_ex(path) == 0:
                    raise OSError(errno.EADDRINUSE, "")
            os.unlink(path)
        listening.bind(path)
        os.chmod(path, 0o666)  # noqa: S103
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _has_content_hash(path: str, url: str) -> bool:
    """Whether the file's name carries a hash of its content, so that browsers may keep it for ever."""
    parts = url.rsplit("/", 1)[-1].split(".")
    return len(parts) > 2 and len(parts[-2]) == 12
