"""Django under ASGI on a pool of long-lived threads.

Every view and middleware of this project is synchronous, so a whole request runs in one thread, in one hop.
Django's own handler switches between the event loop and a thread around each synchronous middleware, and uses
a new thread with a new database connection for every request. Here, a request gets its thread only when its
body has arrived, so a slow client occupies none.

A request of a person may have to hash a password, and hashing waits for its turn in its thread. Such requests
never get the last few threads. Devices that poll and people who only open a page are served however many
people sign in.
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

from web.server.threads import DatabaseThreadPool

MAX_THREADS = 16
HASHING_THREADS = 12  # of these, for requests that may hash a password
MAX_WAITING = 500  # requests that wait for a thread
# for blueprints that are uploaded as a file
LARGE_BODY_BYTES = {"/console/blueprints/plan": 1024 * 1024, "/console/blueprints/apply": 1024 * 1024}
_SESSION = b"foyer_session="  # the cookie of web/middleware/browser.py, matched with and without its prefix
_BODY_SECONDS = 30
_TOO_LARGE = b'{"error": "invalid_request", "error_description": "The request body is too large."}'
_BUSY = (
    b'{"error": "temporarily_unavailable", "error_description": "The server is too busy. Try again in a '
    b'moment."}'
)
_TOO_SLOW = b'{"error": "invalid_request", "error_description": "The request body did not arrive in time."}'


class PooledHandler(BaseHandler):
    """A Django handler that serves at most ``MAX_THREADS`` requests at once, each on a pooled thread.

    Each thread has its own long-lived database connection. ``MAX_WAITING`` more requests wait for a thread.
    Any request beyond that gets a 503 with ``Retry-After``, because it would only wait longer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._threads = DatabaseThreadPool(MAX_THREADS, "web")
        self._hashing_slots = asyncio.Semaphore(HASHING_THREADS)
        self._pending = 0

    def close(self) -> None:
        """Stop the threads and close their connections. Blocks."""
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
        if self._pending >= MAX_THREADS + MAX_WAITING:
            return await _send_error(send, 503, _BUSY, [(b"retry-after", b"5")])
        self._pending += 1
        try:
            async with self._hashing_slots if _may_hash_password(scope) else nullcontext():
                context = contextvars.copy_context()
                future = asyncio.get_running_loop().run_in_executor(
                    self._threads, context.run, self._respond, scope, body
                )
                status, headers, content = await future
        finally:
            self._pending -= 1
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return None

    def _respond(self, scope: Any, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Serve one request in a thread of the pool and return status, headers and body."""
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
    """Return the largest body that is accepted, in bytes.

    It is larger than the default only for the URLs of ``LARGE_BODY_BYTES``, and only for a browser with a
    session cookie.
    """
    allowed = (
        LARGE_BODY_BYTES.get(scope["path"])
        if any(name == b"cookie" and _SESSION in value for name, value in scope["headers"])
        else None
    )
    return allowed or settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _may_hash_password(scope: Any) -> bool:
    """Return whether a request may hash a password: any that changes something, except the protocol's."""
    return scope["method"] not in ("GET", "HEAD") and not scope["path"].startswith("/application/o/")


async def _read_body(receive: Any, limit: int) -> bytes | None:
    """Return the whole body, or None if the client disconnected; raise ValueError above ``limit``."""
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
