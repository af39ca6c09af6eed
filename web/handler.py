"""Django's ASGI handler on pooled threads.

Stock Django opens a fresh thread, and with it a fresh database connection, for each request; asgiref lets a handler bring
its own. A request gets its thread only once its body is there, so a slow sender occupies none.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

THREADS = 16
_BODY_SECONDS = 30
_TOO_LARGE = b'{"error": "invalid_request", "error_description": "The request body is too large."}'
_TOO_SLOW = b'{"error": "invalid_request", "error_description": "The request body did not arrive in time."}'


class PooledHandler(ASGIHandler):
    """At most ``THREADS`` requests work at once, each on one of as many lasting threads; the others wait their turn."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = asyncio.Semaphore(THREADS)
        self._idle: deque[ThreadPoolExecutor] = deque()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await asyncio.wait_for(_read(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), _BODY_SECONDS)
        except TimeoutError:
            return await _refuse(send, 408, _TOO_SLOW)
        except ValueError:
            return await _refuse(send, 413, _TOO_LARGE)
        if body is None:
            return None
        async with self._turns:
            executor = self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix="web")
            try:
                async with ThreadSensitiveContext(executor=executor):
                    await self.handle(scope, _replay(body, receive), send)
            finally:
                self._idle.append(executor)
        return None


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


def _replay(body: bytes, receive: Any) -> Any:
    """A ``receive`` that hands the body over once and then waits for the client to leave."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
