"""While the database is unavailable, locked or full, every interface returns 503 with Retry-After.

The response has the format that its client reads.
"""

import asyncio
import json
import threading
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
import websockets
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.test import Client

from idp.accounts import hashers
from idp.runtime.logs import configure
from idp.tenancy import hosts, middleware
from idp.tenancy.models import Tenant
from tests.support.client import Doors, LiveServer
from web.server import push

EVENTS = "/application/o/device/events"
PROGRAMS = [
    ("POST", "/application/o/token/"),
    ("POST", "/application/o/device/"),
    ("GET", "/application/o/userinfo/"),
    ("GET", "/application/o/jwks/"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/api/people/"),
    ("POST", "/api/runs/"),
]
PAGES = [("GET", "/"), ("GET", "/sign-in"), ("GET", "/device"), ("GET", "/console/")]


class _ReadOnly(Exception):
    """What the driver raises in a read-only transaction of PostgreSQL."""

    sqlstate = "25006"


def _read_only() -> DatabaseError:
    error = DatabaseError("cannot execute UPDATE in a read-only transaction")
    error.__cause__ = _ReadOnly()
    return error


ERRORS = [
    OperationalError(
        "connection to server at db.internal failed: Connection refused\nIs it running? values: hunter2"
    ),
    InterfaceError("connection already closed"),
    OperationalError("database is locked"),
    OperationalError("database or disk is full"),
    _read_only(),
]


def down(error: Exception) -> AbstractContextManager[None]:
    """Let no statement of this thread reach the database."""

    def fail(*args: Any) -> None:
        raise error

    return connection.execute_wrapper(fail)


def ask(method: str, path: str) -> Any:
    """Send a request as a client would, without the test client's raised exceptions."""
    return Client(raise_request_exception=False, HTTP_HOST="acme.test").generic(method, path)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
@pytest.mark.parametrize(("method", "path"), [*PROGRAMS[:2], PROGRAMS[5], *PAGES[1:2]])
def test_every_kind_of_outage(tenants: dict[str, Tenant], method: str, path: str, error: Exception) -> None:
    """Every outage is a 503 with Retry-After, is not cached, and reveals nothing about the database."""
    hosts.find_tenant("acme.test")
    with down(error):
        response = ask(method, path)
    assert (response.status_code, response["Cache-Control"], int(response["Retry-After"]) > 0) == (
        503,
        "no-store",
        True,
    )
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not {"db.internal", "hunter2", "locked", "disk"} & set(response.content.decode().split())


@pytest.mark.parametrize(("method", "path"), PROGRAMS)
def test_programs_read_json(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """Programs get JSON, whether the tenant's host or the requested object could not be read."""
    monkeypatch.setattr(middleware, "find_tenant", _raise)
    response = ask(method, path)
    assert (response.status_code, response["Content-Type"]) == (503, "application/json")
    assert response.json()["error"] == "temporarily_unavailable"


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_people_read_a_page(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """People get a styled page with its headers, even where the tenant is unknown."""
    monkeypatch.setattr(middleware, "find_tenant", _raise)
    response = ask(method, path)
    assert (response.status_code, response["Cache-Control"]) == (503, "no-store")
    assert "Temporarily unavailable" in response.content.decode()
    assert "default-src 'none'" in response["Content-Security-Policy"]


def test_an_outage_is_one_line_in_the_log(
    tenants: dict[str, Tenant], capfd: pytest.CaptureFixture[str]
) -> None:
    """The line has the route and the database's first line, but no traceback, path or statement value."""
    configure({"format": "json"})
    hosts.find_tenant("acme.test")
    capfd.readouterr()
    with down(ERRORS[0]):
        assert ask("GET", "/recover/a-token-that-nobody-should-see").status_code == 503
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    [line] = [line for line in lines if line["event"] == "unavailable"]
    assert "Connection refused" in line["why"]
    assert not {"Traceback", "hunter2", "a-token-that-nobody-should-see"} & {
        word for word in ("Traceback", "hunter2", "a-token-that-nobody-should-see") if word in str(lines)
    }


def test_other_errors_stay_errors(tenants: dict[str, Tenant]) -> None:
    """A fault of the program is no outage: it is a 500, in JSON for programs."""
    with down(DatabaseError("malformed")):
        response = ask("POST", "/application/o/token/")
    assert (response.status_code, response["Cache-Control"], response.json()["error"]) == (
        500,
        "no-store",
        "server_error",
    )


@pytest.mark.parametrize(
    "path",
    ["/application/o/", "/application/o/nothing/", "/application/o/token/more", "/.well-known/nothing"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_addresses_of_the_protocol_are_json(
    tenants: dict[str, Tenant], method: str, path: str
) -> None:
    """An unknown address of the protocol is JSON, because a device's program reads no page."""
    response = ask(method, path)
    assert (response.status_code, response["Cache-Control"], response.json()["error"]) == (
        404,
        "no-store",
        "invalid_request",
    )


def test_streams_say_it_too(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Event streams and WebSockets get a 503 before they are accepted, and the server logs no traceback."""
    monkeypatch.setattr(push, "_in_tenant", _raise)
    for path in (EVENTS, "/events", "/console/devices/1/events", f"/flow/{'0' * 32}/events"):
        response = httpx.get(
            f"http://127.0.0.1:{live.port}{path}", headers={"Host": f"acme.test:{live.port}"}
        )
        assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert response.headers["x-content-type-options"] == "nosniff"

    async def listen() -> int:
        try:
            async with websockets.connect(
                f"ws://acme.test:{live.port}{EVENTS}", host="127.0.0.1", port=live.port
            ):
                return 101
        except websockets.exceptions.InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(listen()) in (403, 503)
    assert "Exception in ASGI" not in capfd.readouterr().err
    connections.close_all()


def test_hashing_waits_so_long_and_no_longer(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, door: Doors
) -> None:
    """A password that cannot be checked in time is a 503 with Retry-After, not a wrong password."""
    monkeypatch.setattr(hashers, "_SLOTS", threading.BoundedSemaphore(1))
    monkeypatch.setattr(hashers, "_WAIT_SECONDS", 0.05)
    seen = door().page().submit(name="alice")
    seen.door.http.raise_request_exception = False
    with hashers._SLOTS:
        assert seen.submit(password="alice-password-1").status == 503
    assert seen.submit(password="alice-password-1").step != "password"


def _raise(*args: Any, **kwargs: Any) -> Any:
    raise ERRORS[0]
