"""Django under ASGI on a pool of lasting threads.

Every view and middleware of this product is synchronous, so a whole request runs in one thread, in one hop.
The stock handler goes back and forth between loop and thread around each synchronous middleware, on a fresh
thread with a fresh database connection for every request. A request gets its thread only once its body is
there, so a slow sender occupies none.

What people send may have to hash a password, and hashing waits for its turn in its thread. Such requests
never get the last few threads: devices that poll, and whoever only looks at a page, go on however many people
sign in.
"""

import asyncio
import contextvars
import io
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, cast

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import HttpResponse
from django.urls import set_script_prefix

from web.server.threads import Threads

THREADS = 16
HASHING_THREADS = 12  # of these, for what people send
WAITING = 500  # requests, for a thread
# bytes, for a blueprint that comes as a file
LARGE_BODY_BYTES = {"/console/blueprints/plan": 1024 * 1024, "/console/blueprints/apply": 1024 * 1024}
_SESSION = b"foyer_session="  # the cookie of web/middleware/browser.py, with and without its prefix
_BODY_SECONDS = 30
_TOO_LARGE = b'{"error": "invalid_request", "error_description": "The request body is too large."}'
_BUSY = (
    b'{"error": "temporarily_unavailable", "error_description": "The server is too busy. Try again in a '
    b'moment."}'
)
_TOO_SLOW = b'{"error": "invalid_request", "error_description": "The request body did not arrive in time."}'


class PooledHandler(BaseHandler):
    """At most ``THREADS`` requests work at once, each thread with its own lasting database connection.

    ``WAITING`` others wait their turn; what comes on top is told to come back, because it would only wait
    longer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._threads = Threads(THREADS, "web")
        self._hashing_slots = asyncio.Semaphore(HASHING_THREADS)
        self._pending = 0

    def close(self) -> None:
        """Ends the threads and their connections. Blocks."""
        self._threads.close()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await asyncio.wait_for(_read_body(receive, _limit(scope)), _BODY_SECONDS)
        except TimeoutError:
            return await _send_error(send, 408, _TOO_SLOW)
        except ValueError:
            return await _send_error(send, 413, _TOO_LARGE)
        if body is None:
            return None
        if self._pending >= THREADS + WAITING:
            return await _send_error(send, 503, _BUSY, [(b"retry-after", b"5")])
        self._pending += 1
        try:
            async with self._hashing_slots if _may_hash_password(scope) else nullcontext():
                context = contextvars.copy_context()
                future = asyncio.get_running_loop().run_in_executor(
                    self._threads, context.run, self._answer, scope, body
                )
                status, headers, content = await future
        finally:
            self._pending -= 1
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


def _limit(scope: Any) -> int:
    """The largest body that is read, in bytes. More than usual only from a browser that may be signed in."""
    allowed = (
        LARGE_BODY_BYTES.get(scope["path"])
        if any(name == b"cookie" and _SESSION in value for name, value in scope["headers"])
        else None
    )
    return allowed or settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _may_hash_password(scope: Any) -> bool:
    """Whether a request may have to hash a password: whatever is sent, but for the protocol."""
    return scope["method"] not in ("GET", "HEAD") and not scope["path"].startswith("/application/o/")


async def _read_body(receive: Any, limit: int) -> bytes | None:
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


async def _send_error(
    send: Any, status: int, body: bytes, more: Iterable[tuple[bytes, bytes]] = ((b"connection", b"close"),)
) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
