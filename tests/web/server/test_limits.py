"""Limits per client before a request is read: heads, time, connections, bodies and queue places."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from tests.modes.running_cluster import wait_for
from tests.support.client import LiveServer
from web.server import handler, limits
from web.server.handler import PooledHandler
from web.server.limits import ConnectionSlots, ServerConfig, raise_open_file_limit

pytestmark = pytest.mark.django_db(transaction=True)
HEAD = b"GET /health/live HTTP/1.1\r\nHost: acme.test\r\n"
UPGRADE = (
    b"GET /application/o/device/events HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: "
    b"websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@contextmanager
def connected(live: LiveServer) -> Iterator[socket.socket]:
    """Open a separate connection."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        yield client


def answered(client: socket.socket, *pieces: bytes) -> tuple[int, bytes]:
    """Send until the server closes the connection, and return the status and everything received.

    The status is 0 if the server closed without a response.
    """
    try:
        for piece in pieces:
            client.sendall(piece)
    except OSError:
        pass
    said = b""
    try:
        while read := client.recv(65536):
            said += read
    except ConnectionResetError:
        pass
    return int(said.split(b" ")[1]) if said else 0, said


@pytest.mark.parametrize("start", [HEAD, UPGRADE], ids=["http", "websocket"])
@pytest.mark.parametrize(
    ("status", "pieces"),
    [
        (414, [b"GET /" + b"a" * 20_000]),
        (414, [b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: acme.test\r\n\r\n"]),
        (414, [b"GET /" + b"a" * 65536] + [b"a" * 65536] * 40),
        (431, ["start", b"X-A: " + b"a" * 70_000]),
        (431, ["start", b"X-" + b"a" * 70_000]),
        (431, ["start"] + [b"X-A: " + b"a" * 1000 + b"\r\n"] * 80),
        (431, ["start"] + [b"X-A: b\r\n"] * 120 + [b"\r\n"]),
        (431, ["start", b"Cookie: " + b"a=b; " * 20_000 + b"\r\n\r\n"]),
        (400, [b"NOT HTTP AT ALL\r\n\r\n"]),
    ],
    ids=["line", "whole-line", "long-line", "value", "name", "many", "lines", "cookies", "junk"],
)
def test_a_head_is_bounded_as_it_arrives(
    live: LiveServer, start: bytes, status: int, pieces: list[Any]
) -> None:
    """A head is limited to 16 KiB of address, 64 KiB in total and 100 lines.

    The error is uncached JSON, and the connection is closed.
    """
    with connected(live) as client:
        got, said = answered(client, *(start if piece == "start" else piece for piece in pieces))
    assert got == status
    head, body = said.split(b"\r\n\r\n", 1)
    assert b"cache-control: no-store" in head
    assert b"nosniff" in head
    assert b"connection: close" in head
    assert json.loads(body)["error"] == "invalid_request"


def test_what_is_within_the_limits_passes(live: LiveServer) -> None:
    """A large head within the limits passes, byte by byte and on a reused connection."""
    cookie = b"Cookie: " + b"a" * 30_000 + b"\r\n"
    with connected(live) as client:
        for _ in range(2):
            for at in range(0, len(HEAD + cookie), 997):
                client.sendall((HEAD + cookie)[at : at + 997])
            client.sendall(b"\r\n")
            said = b""
            while not said.endswith(b'{"live": true}'):
                said += client.recv(4096)
            assert said.startswith(b"HTTP/1.1 200")
        status, _ = answered(client, HEAD + b"X-A: " + b"a" * 70_000)
        assert status == 431


@pytest.mark.parametrize(
    ("begun", "status"),
    [(b"", 0), (b"GET", 408), (HEAD, 408), (b"\r\n\r\n", 408), (HEAD + b"\r\n" + HEAD, 200)],
    ids=["silent", "line", "head", "blank", "second"],
)
def test_a_head_has_a_deadline(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch, begun: bytes, status: int
) -> None:
    """The deadline runs from the connection, and for each further request from its first byte.

    A silent connection is closed.
    """
    monkeypatch.setattr(limits, "MAX_HEAD_SECONDS", 0.5)
    with connected(live) as client:
        got, said = answered(client, begun)
    assert got == status
    assert (b"HTTP/1.1 408" in said) == (status in (408, 200) and begun != b"")


def test_an_error_before_the_body_was_read_ends_the_connection(live: LiveServer) -> None:
    """A body that never arrives holds no connection once the response is sent."""
    with connected(live) as client:
        status, _ = answered(
            client, b"POST /health/live HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 10\r\n\r\n1"
        )
    assert status == 200


CHUNKED = (
    b"POST /application/o/userinfo/ HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "trailer", [b"Authorization: Bearer abc", b"Host: other.test", b"Cookie: a=b", b"Connection: Upgrade"]
)
@pytest.mark.parametrize("body", [b"", b"3\r\na=b\r\n"], ids=["empty", "body"])
def test_a_trailer_is_no_header(live: LiveServer, trailer: bytes, body: bytes) -> None:
    """RFC 9110 section 6.5.1: a trailer names no host, no address and no credential.

    A proxy passes on what a client wrote after the body.
    """
    with connected(live) as client:
        got, said = answered(client, CHUNKED + body + b"0\r\n" + trailer + b"\r\n\r\n")
    assert got == 401
    assert b"www-authenticate: Bearer\r\n" in said


def test_a_trailer_names_no_client(transactional_db: None) -> None:
    """A trailer does not become the trusted, rightmost hop of X-Forwarded-For."""
    scope: dict[str, Any] = {}

    async def app(given: Any, receive: Any, send: Any) -> None:
        scope.update(given, headers=list(given["headers"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent = (
        CHUNKED.replace(b"Content-Type", b"X-Forwarded-For: 203.0.113.9\r\nContent-Type")
        + b"0\r\nX-Forwarded-For: ::1\r\n\r\n"
    )
    with LiveServer() as mine:
        # a connection uses the application that is loaded when it is accepted
        mine.server.config.loaded_app = app
        with connected(mine) as client:
            got, _ = answered(client, sent)
    assert got == 204
    assert [value for name, value in scope["headers"] if name == b"x-forwarded-for"] == [b"203.0.113.9"]


@pytest.mark.parametrize(
    "begun", [b"0\r\nX-A: ", b"0\r\nX-", b"3;a=", b"3\r\na=b\r\n0;a=", b"3\r\na=b\r\n0\r\nX-A: b\r\nX-B: "]
)
def test_what_is_no_body_is_bounded_too(live: LiveServer, begun: bytes) -> None:
    """Endless trailers and chunk extensions close the connection at once.

    They cost neither memory nor the time to copy them.
    """
    with connected(live) as client:
        client.sendall(CHUNKED + begun)
        sent = 0
        with suppress(ConnectionError):
            while sent < 16 * 1024 * 1024:
                sent += client.send(b"a" * 65536)
    assert sent < 16 * 1024 * 1024


def test_a_long_body_is_no_head(live: LiveServer) -> None:
    """A long body does not count as a head, in any number of chunks."""
    small = b"".join(b"a\r\n" + b"a" * 10 + b"\r\n" for _ in range(5000))
    with connected(live) as client:
        assert answered(client, CHUNKED + small + b"0\r\n\r\n")[0] == 401


def test_a_connection_queues_few_requests(live: LiveServer) -> None:
    """Pipelined requests on one connection are not collected without a limit."""
    with connected(live) as client:
        _, said = answered(client, (HEAD + b"\r\n") * 5000)
    assert said.count(b"HTTP/1.1 200") < 5000


def test_one_address_has_so_many_connections(settings: Any, transactional_db: None, tenants: Any) -> None:
    """A connection over the limit is asked to retry.

    A place is free again when its HTTP connection or WebSocket ends.
    """
    settings.CONNECTIONS_PER_ADDRESS = 3
    with LiveServer() as live, ExitStack() as stay:
        first = stay.enter_context(connected(live))
        first.sendall(UPGRADE + b"Authorization: Device x\r\n\r\n")
        assert first.recv(4096)
        first.close()
        wait_for(lambda: _in_use(live) == 0, 10)
        for _ in range(3):
            stay.enter_context(connected(live))
        wait_for(lambda: _in_use(live) == 3, 10)
        with connected(live) as client:
            status, said = answered(client, HEAD + b"\r\n")
            assert (status, b"retry-after: 5" in said, b"temporarily_unavailable" in said) == (
                503,
                True,
                True,
            )
        stay.close()
        wait_for(lambda: _in_use(live) == 0, 10)
        assert httpx.get(live.url("127.0.0.1", "/health/live")).status_code == 200


def _in_use(live: LiveServer) -> int:
    config = live.server.config
    assert isinstance(config, ServerConfig)
    return len(config.slots._keys)


def test_places_are_counted_by_client() -> None:
    """IPv6 clients count by their /64, and mapped IPv4 as IPv4.

    A trusted proxy or a Unix socket is not one client, and the total limit applies to all.
    """

    class Transport:
        def __init__(self, name: Any) -> None:
            self.name = name

        def get_extra_info(self, _: str) -> Any:
            return self.name

    places = ConnectionSlots(total=9, per_address=1, trusted=[ip_network("10.0.0.0/8")])
    taken = [
        (("203.0.113.9", 1), True),
        (("::ffff:203.0.113.9", 2, 0, 0), False),
        (("2001:db8::1", 1, 0, 0), True),
        (("2001:db8::2", 1, 0, 0), False),
        (("2001:db8:0:1::2", 1, 0, 0), True),
        (("10.1.1.1", 1), True),
        (("10.1.1.1", 2), True),
        (("::ffff:10.1.1.1", 3, 0, 0), True),
        ("", True),
        (None, True),
        (b"", True),
        (("10.1.1.1", 4), False),
    ]
    assert [(name, places.acquire(Transport(name))) for name, _ in taken] == taken


def test_the_limit_of_open_files_is_raised() -> None:
    """The limit is raised to the maximum of this process, and a second call changes nothing."""
    assert raise_open_file_limit() == raise_open_file_limit() > 0


def test_large_bodies_only_from_browsers_that_may_be_signed_in(live: LiveServer) -> None:
    """A large body, such as a blueprint file, is read only with a session cookie."""
    url, large = live.url("127.0.0.1", "/console/blueprints/plan"), b"a=" + b"b" * 200_000
    host = {"Host": f"acme.test:{live.port}"}
    assert httpx.post(url, content=large, headers=host).status_code == 413
    assert httpx.post(url, content=large, headers={**host, "Cookie": "other=1"}).status_code == 413
    assert httpx.post(url, content=large, headers={**host, "Cookie": "foyer_session=1"}).status_code != 413


def test_the_queue_is_bounded_and_health_has_no_queue(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full queue is a 503 with Retry-After at once, and the liveness check always responds.

    People who wait leave threads for devices.
    """
    go, answer = threading.Event(), PooledHandler._respond

    def held(self: PooledHandler, scope: Any, body: bytes) -> Any:
        if scope["method"] == "POST":
            assert go.wait(60)
        return answer(self, scope, body)

    monkeypatch.setattr(PooledHandler, "_respond", held)
    monkeypatch.setattr(handler, "MAX_WAITING", 4)
    url, host = f"http://127.0.0.1:{live.port}", {"Host": f"acme.test:{live.port}"}
    with ExitStack() as stay:
        for _ in range(handler.MAX_THREADS + 3):
            client = stay.enter_context(connected(live))
            client.sendall(b"POST /sign-in HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 0\r\n\r\n")
        assert httpx.get(url + "/application/o/jwks/", headers=host, timeout=30).status_code == 200
        last = stay.enter_context(connected(live))
        last.sendall(b"POST /sign-in HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 0\r\n\r\n")
        busy = wait_for(lambda: _refused(url, host), 10)
        assert (busy.json()["error"], busy.headers["cache-control"]) == (
            "temporarily_unavailable",
            "no-store",
        )
        assert int(busy.headers["retry-after"]) > 0
        assert httpx.get(url + "/health/live").status_code == 200
        assert httpx.get(url + "/health/ready").json()["reasons"] == []
        go.set()
    assert wait_for(lambda: httpx.get(url + "/application/o/jwks/", headers=host).status_code == 200, 10)


def _refused(url: str, host: dict[str, str]) -> httpx.Response | None:
    response = httpx.get(url + "/application/o/jwks/", headers=host)
    return response if response.status_code == 503 else None
