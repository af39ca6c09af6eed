"""Django under ASGI on a pool of lasting threads.

Every view and middleware of this product is synchronous, so a whole request runs in one thread, in one hop. The stock handler
goes back and forth between loop and thread around each synchronous middleware, on a fresh thread with a fresh database
connection for every request. A request gets its thread only once its body is there, so a slow sender occupies none.
"""

import asyncio
import contextvars
import io
from typing import Any, cast

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import HttpResponse
from django.urls import set_script_prefix

from web.threads import Threads

THREADS = 16
LARGE = {"/console/blueprints/plan": 1024 * 1024, "/console/blueprints/apply": 1024 * 1024}  # bytes, for a blueprint that comes as a file
_BODY_SECONDS = 30
_TOO_LARGE = b'{"error": "invalid_request", "error_description": "The request body is too large."}'
_TOO_SLOW = b'{"error": "invalid_request", "error_description": "The request body did not arrive in time."}'


class PooledHandler(BaseHandler):
    """At most ``THREADS`` requests work at once, each thread with its own lasting database connection; the others wait their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._threads = Threads(THREADS, "web")

    def close(self) -> None:
        """Ends the threads and their connections. Blocks."""
        self._threads.close()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            limit = LARGE.get(scope["path"], settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
            body = await asyncio.wait_for(_read(receive, limit), _BODY_SECONDS)
        except TimeoutError:
            return await _refuse(send, 408, _TOO_SLOW)
        except ValueError:
            return await _refuse(send, 413, _TOO_LARGE)
        if body is None:
            return None
        context = contextvars.copy_context()
        work = asyncio.get_running_loop().run_in_executor(self._threads, context.run, self._answer, scope, body)
        status, headers, content = await work
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return None

    def _answer(self, scope: Any, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The whole of one request, in a thread of the pool."""
        set_script_prefix("/")
        signals.request_started.send(sender=self.__class__, scope=scope)
        response = cast(HttpResponse, self.get_response(ASGIRequest(scope, io.BytesIO(body))))
        try:
            content = b"" if scope["method"] == "HEAD" else response.content
            return response.status_code, _headers(response), content
        finally:
            response.close()


def _headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    pairs = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    cookies = [(b"set-cookie", morsel.OutputString().encode("ascii")) for morsel in response.cookies.values()]
    return [*pairs, *cookies, (b"content-length", str(len(response.content)).encode())]


async def _read(receive: Any, limit: int) -> bytes | None:
    """The whole body; None when the client left. Raises ValueError past ``limit``."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise ValueError
    return bytes(body)


async def _refuse(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
