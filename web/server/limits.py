"""Limits on connections and request heads, enforced before a request is parsed.

They bound how many connections are open, how long a head may take and how large it may be. The parser itself
has no limits: it would buffer a head of any size, and copy a long URL for each piece that arrives.
"""

import resource
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from idp.foundation import addresses
from idp.ratelimit.budgets import address_key

MAX_LINE_BYTES = 16 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_LINES = 100
MAX_HEAD_SECONDS = 15
MAX_PIPELINED = 16  # requests of one connection that wait for an earlier response
_CHUNK_BYTES = 4096  # parsed at once, so a limit is exceeded by at most this much
# how long a refused client is read from: closing immediately would lose the response
_LINGER_SECONDS = 1
_SPARE_FILES = 200  # of the open-file limit, for the database, logs and listening sockets

_ERRORS = {
    400: ("Bad Request", "invalid_request", "The request is not HTTP/1.1."),
    408: ("Request Timeout", "invalid_request", "The head of the request did not arrive in time."),
    414: ("URI Too Long", "invalid_request", f"The address is longer than {MAX_LINE_BYTES} bytes."),
    431: (
        "Request Header Fields Too Large",
        "invalid_request",
        f"The head is larger than {MAX_HEAD_BYTES} bytes or {MAX_HEAD_LINES} lines.",
    ),
    503: ("Service Unavailable", "temporarily_unavailable", "Too many connections."),
}


class ConnectionSlots:
    """The open connections: limited in total and per address, unless the address is a trusted proxy's."""

    def __init__(self, total: int, per_address: int, trusted: Iterable[addresses.Network]) -> None:
        self.in_all, self.per_address, self.trusted = total, per_address, tuple(trusted)
        self._keys: dict[Any, str] = {}
        self._count: Counter[str] = Counter()

    def acquire(self, transport: Any) -> bool:
        """Reserve a slot for this connection and return whether one was free.

        :meth:`leave` releases it.
        """
        key = self._key(transport.get_extra_info("peername"))
        if len(self._keys) >= self.in_all or (key and self._count[key] >= self.per_address):
            return False
        self._keys[transport] = key
        self._count[key] += 1
        return True

    def release(self, transport: Any) -> None:
        """Release the connection's slot. Do nothing if it has none."""
        key = self._keys.pop(transport, None)
        if key is not None:
            self._count[key] -= 1
            if not self._count[key]:
                del self._count[key]

    def _key(self, name: Any) -> str:
        """Return the key by which a peer is counted.

        It is empty for a trusted proxy and for a Unix socket, because many clients are behind them.
        """
        if not isinstance(name, tuple):
            return ""
        ip = addresses.parse(name[0])
        return "" if ip and any(ip in network for network in self.trusted) else address_key(name[0])


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration with these protocols and one set of slots for all connections."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, http=LimitedHttpProtocol, ws=LimitedWebSocketProtocol, **options)
        in_all = min(settings.CONNECTIONS, raise_open_file_limit() - _SPARE_FILES)
        self.slots = ConnectionSlots(
            max(in_all, 16), settings.CONNECTIONS_PER_ADDRESS, settings.TRUSTED_PROXIES
        )


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol that releases the slot that its connection reserved as HTTP."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the slot of the connection."""
        cast(ServerConfig, self.config).slots.release(self.transport)
        super().connection_lost(exc)


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits on the head of each request."""

    def connection_made(self, transport: Any) -> None:
        """Reserve a slot and start the deadline of the first request's head, or refuse the connection."""
        super().connection_made(transport)
        self._in_head, self._head, self._line_parsed, self._rejected = True, 0, False, False
        self._deadline: Any = None
        self._error_status = 400
        if cast(ServerConfig, self.config).slots.acquire(transport):
            self._start_deadline()
        else:
            self._send_error(503)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the slot of the connection and cancel the deadline."""
        cast(ServerConfig, self.config).slots.release(self.transport)
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data in chunks and refuse the request when its line or head is too large."""
        for start in range(0, len(data), _CHUNK_BYTES):
            if self._rejected or self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            if self._in_head and not self._deadline:
                self._start_deadline()
            chunk = data[start : start + _CHUNK_BYTES]
            super().data_received(chunk)
            if not self._rejected:
                self._head += len(chunk)
                if self._in_head and not self._line_parsed and self._head > MAX_LINE_BYTES:
                    self._send_error(414)
                elif self._head > MAX_HEAD_BYTES:
                    self._send_error(431)

    def on_message_begin(self) -> None:
        """Start the deadline of the head at the first byte of a request."""
        super().on_message_begin()
        self._line_parsed = False
        if not self._deadline:  # a request may begin in the chunk in which another one ended
            self._start_deadline()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header. An error here ends the connection with ``_error_status``.

        Drop a trailer, which follows the body. Proxies forward it as the client wrote it, so it must never be
        taken for one of their headers (RFC 9110 section 6.5.1).
        """
        if not self._in_head:
            return
        self._line_parsed = True
        if len(self.url) > MAX_LINE_BYTES:
            self._error_status = 414
            raise ValueError
        if len(self.headers) >= MAX_HEAD_LINES:
            self._error_status = 431
            raise ValueError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the deadline and refuse a long line. Abort when too many requests are pipelined."""
        # the chunk being parsed is counted after this, with the rest of the head in it
        self._in_head, self._head = False, -_CHUNK_BYTES
        self._cancel_deadline()
        if len(self.url) > MAX_LINE_BYTES:
            self._error_status = 414
            raise ValueError
        if len(self.pipeline) >= MAX_PIPELINED:
            self.transport.abort()
            raise ValueError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Restart the byte count of the head.

        What is not body from here on, such as chunk extensions and trailers, has the same limit as a head.
        """
        self._head = -_CHUNK_BYTES
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the head of another request."""
        self._in_head, self._line_parsed = True, False
        self._head = -_CHUNK_BYTES  # the rest of this chunk is not counted
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Close the connection if the response did not wait for the whole body.

        The rest of the body might never arrive.
        """
        super().on_response_complete()
        if self.cycle and self.cycle.response_complete and self.cycle.more_body:
            self._linger()

    def send_400_response(self, msg: str) -> None:
        """Send the error for what the parser, or one of the limits above, refused."""
        self._send_error(self._error_status)

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(MAX_HEAD_SECONDS, self._on_deadline)

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        """Close the connection when its head did not arrive in time.

        A silent connection is closed without a response. While an earlier response is being sent, nothing may
        be sent in between, and the deadline starts again.
        """
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.cycle and not self.cycle.response_complete:
            self._start_deadline()
        elif self._head > 0 or self.cycle:
            self._send_error(408)
        else:
            self.transport.close()

    def _send_error(self, status: int) -> None:
        """Send an error without the application and close the connection."""
        if self._rejected or self.transport.is_closing():
            return
        if self.cycle and not self.cycle.response_complete:
            return self.transport.abort()
        phrase, code, description = _ERRORS[status]
        body = f'{{"error": "{code}", "error_description": "{description}"}}'
        retry = "retry-after: 5\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"cache-control: no-store\r\nx-content-type-options: nosniff\r\n{retry}connection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode())
        if status == 503:  # no slot is left to linger in
            self._rejected = True
            return self.transport.close()
        return self._linger()

    def _linger(self) -> None:
        """Read and drop further data for a moment, then close.

        Closing immediately would lose the response as well.
        """
        self._rejected = True
        self._cancel_deadline()
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def raise_open_file_limit() -> int:
    """Raise the limit of open files to the most that this process may have, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some systems have another, lower limit
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1_000_000
