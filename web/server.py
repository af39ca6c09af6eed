"""The ASGI stack: lifespan, proxies, static files, Django."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import uvicorn
from django.conf import settings
from servestatic import ServeStaticASGI

from web.handler import PooledHandler
from web.hub import Hub
from web.proxies import ProxyHeaders
from web.push import Push

hub = Hub()
App = Callable[[Any, Any, Any], Any]


class Server(uvicorn.Server):
    """Sends the listeners home before it waits for open connections to end."""

    async def shutdown(self, sockets: Any = None) -> None:
        await hub.stop()
        await super().shutdown(sockets)


def serve(host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        settings.ASGI_APPLICATION.replace(".application", ":application"),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,  # longer than any device waits between two polls: closing at 5 s would meet every second request
    )
    with suppress(KeyboardInterrupt):  # raised anew once everything has ended
        Server(config).run()


def build(background: Callable[[], AbstractContextManager[None]]) -> App:
    """The application; in the embedded mode ``background`` runs from start-up to shutdown."""
    handler = PooledHandler()
    static = ServeStaticASGI(handler, root=str(settings.STATIC_ROOT), prefix=settings.STATIC_URL, immutable_file_test=_hashed)
    inner = ProxyHeaders(Push(static, hub), settings.TRUSTED_PROXIES)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(background if settings.EMBEDDED else nullcontext, handler, receive, send)
        else:
            await inner(scope, receive, send)

    return application


async def _lifespan(background: Callable[[], AbstractContextManager[None]], handler: PooledHandler, receive: Any, send: Any) -> None:
    await receive()
    work = background()
    try:
        await hub.start()
        await asyncio.to_thread(work.__enter__)
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": repr(error)})
        raise
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await hub.stop()
    await asyncio.to_thread(work.__exit__, None, None, None)
    await asyncio.to_thread(handler.close)
    await send({"type": "lifespan.shutdown.complete"})


def _hashed(path: str, url: str) -> bool:
    """Whether the file's name carries a hash of its content, so that browsers may keep it for ever."""
    parts = url.rsplit("/", 1)[-1].split(".")
    return len(parts) > 2 and len(parts[-2]) == 12
