"""Server-sent events: waiting devices, the approving person's page and the tenant's administrators.

All of them are notified at once.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from queue import Queue
from socket import SHUT_RDWR
from typing import Any

import httpx
import pytest
import websockets
from django.db import connections
from django.utils import timezone

from idp.accounts.people import by_username, save_person
from idp.accounts.sessions import end_sessions
from idp.devices.models import DeviceCode
from idp.devices.service import expire_overdue, revoke
from idp.events.models import Event
from idp.events.notify import WakeUp
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import DEVICE_CODE, LiveServer
from web.server.push import Push
from web.server.server import hub

EVENTS = "/application/o/device/events"


_OPEN: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    """Close every browser of a test."""
    yield
    while _OPEN:
        _OPEN.pop().close()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Person:
    """A person at the live server with a browser's cookies."""

    def __init__(self, live: Any, host: str = "acme.test") -> None:
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{live.port}",
            headers={"Host": f"{host}:{live.port}"},
            follow_redirects=False,
        )
        _OPEN.append(self.http)

    def submit(self, *answers: dict[str, str], start: str = "/device") -> httpx.Response:
        """Submit answers page after page, and return the last page."""
        page = self.follow(self.http.get(start))
        for fields in answers:
            page = self.follow(self.http.post(page.url.path, data={**hidden(page.text), **fields}))
        return page

    def follow(self, response: httpx.Response) -> httpx.Response:
        """Follow a redirect."""
        while response.is_redirect:
            response = self.http.get(response.headers["location"])
        return response


def cookie_of(person: Person) -> str:
    """Return the Cookie header of a browser."""
    return "; ".join(f"{name}={value}" for name, value in person.http.cookies.items())


def hidden(text: str) -> dict[str, str]:
    """Return the hidden fields of a page."""
    return {
        part.split('"')[0]: part.split('value="')[1].split('"')[0]
        for part in text.split('<input type="hidden" name="')[1:]
    }


def start(live: Any, host: str = "acme.test", client_id: str = "tv") -> dict[str, Any]:
    """Start a device."""
    form, address = (
        {"client_id": client_id, "scope": "openid"},
        f"http://127.0.0.1:{live.port}/application/o/device/",
    )
    answer = httpx.post(address, data=form, headers={"Host": f"{host}:{live.port}"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def poll(live: Any, started: dict[str, Any]) -> httpx.Response:
    """Poll as the device."""
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started["device_code"]}
    return httpx.post(
        f"http://127.0.0.1:{live.port}/application/o/token/",
        data=form,
        headers={"Host": f"acme.test:{live.port}"},
    )


@contextmanager
def listening(
    live: Any, path: str, host: str = "acme.test", **headers: str
) -> Iterator[tuple[int, "Queue[tuple[str, str, Any]]"]]:
    """Open a stream of server-sent events, and yield its status and a queue of (id, event, data)."""
    stream: Queue[tuple[str, str, Any]] = Queue()
    line = HTTPConnection("127.0.0.1", live.port, timeout=40)
    line.request("GET", path, headers={"Host": f"{host}:{live.port}", **headers})
    response = line.getresponse()

    def read() -> None:
        item: dict[str, str] = {}
        with suppress(OSError, HTTPException, ValueError):
            while raw := response.readline():
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if value:
                    item[name] = value
                elif item:
                    stream.put(
                        (item.get("id", ""), item.get("event", ""), json.loads(item.get("data", "null")))
                    )
                    item = {}
        stream.put(("", "closed", None))

    reader = threading.Thread(target=read, daemon=True)
    if response.status == 200:
        reader.start()
    try:
        yield response.status, stream
    finally:
        if reader.is_alive() and line.sock:
            line.sock.shutdown(SHUT_RDWR)
        if reader.ident:
            reader.join(10)
        response.close()
        line.close()


def device(started: dict[str, Any]) -> dict[str, str]:
    """Return the header of a waiting device."""
    return {"Authorization": f"Device {started['device_code']}"}


def approve(live: Any, started: dict[str, Any], decision: str = "approve") -> tuple[Person, httpx.Response]:
    """Approve the device as alice."""
    person = Person(live)
    page = person.submit(
        {"name": "alice"},
        {"password": "alice-password-1"},
        {"user_code": started["user_code"]},
        {"decision": decision},
    )
    return person, page


def heard(stream: "Queue[tuple[str, str, Any]]") -> str:
    """Return the next event's name."""
    return stream.get(timeout=10)[1]


@pytest.mark.parametrize(("decision", "event"), [("approve", "approved"), ("deny", "denied")])
def test_a_device_hears_a_decision_without_a_token(live: LiveServer, decision: str, event: str) -> None:
    """D32, D43: the wake-up has only its name; the next poll, even an early one, returns the result."""
    started = start(live)
    poll(live, started)
    with listening(live, EVENTS, **device(started)) as (status, stream):
        assert status == 200
        approve(live, started, decision)
        identifier, name, data = stream.get(timeout=10)
        assert (name, data) == (event, {})
        assert identifier.isdecimal()
        answer = poll(live, started)
        assert answer.status_code == (200 if event == "approved" else 400)
        assert heard(stream) == ("redeemed" if event == "approved" else "closed")


def test_expiry_and_revocation_are_announced(live: LiveServer, acme: Tenant) -> None:
    """D43: expiry and revocation of the code are sent too, and close the stream."""
    first, second = start(live), start(live)
    with (
        listening(live, EVENTS, **device(first)) as (_, expiring),
        listening(live, EVENTS, **device(second)) as (_, revoked),
    ):
        approve(live, second)
        assert heard(revoked) == "approved"
        poll(live, second)
        assert heard(revoked) == "redeemed"
        row = Event.objects.filter(kind="device.redeemed").get()
        assert revoke(int(row.target.removeprefix("device ")), why="lost")
        assert [heard(revoked), heard(revoked)] == ["revoked", "closed"]
        from_now = Event.objects.filter(kind="device.started").order_by("pk").first()
        assert from_now is not None
        expire_all(acme, first)
        assert [heard(expiring), heard(expiring)] == ["expired", "closed"]


def expire_all(acme: Any, started: dict[str, Any]) -> None:
    """Let the worker expire the code."""
    with tenant_scope(acme):
        DeviceCode.objects.filter(state="pending").update(expires_at=timezone.now() - timedelta(seconds=1))
        expire_overdue(timezone.now(), timedelta(hours=1))


def test_every_wrong_listener_gets_one_answer(live: LiveServer) -> None:
    """D43: every invalid listener gets byte for byte the same response.

    The cases are an unknown code, no code, a user code, another tenant and a redeemed code.
    """
    started, used = start(live), start(live)
    approve(live, used)
    assert poll(live, used).status_code == 200
    cases = [
        ("acme.test", {}),
        ("acme.test", {"Authorization": "Device nothing"}),
        ("acme.test", {"Authorization": f"Device {started['user_code']}"}),
        ("acme.test", {"Authorization": f"Bearer {started['device_code']}"}),
        ("other.test", device(started)),
        ("acme.test", device(used)),
    ]
    answers = set()
    for host, headers in cases:
        answer = httpx.get(
            f"http://127.0.0.1:{live.port}{EVENTS}", headers={"Host": f"{host}:{live.port}", **headers}
        )
        answers.add((answer.status_code, answer.content))
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_a_code_has_three_listeners_at_most(live: LiveServer) -> None:
    """D43: a code has three listeners at most, and a place is free again once one has left."""
    started = start(live)
    with listening(live, EVENTS, **device(started)), listening(live, EVENTS, **device(started)):
        with listening(live, EVENTS, **device(started)) as (status, _):
            assert status == 200
            with listening(live, EVENTS, **device(started)) as (refused, _):
                assert refused == 429
        until(lambda: free(live, started), "the place was never freed")


def test_places_belong_to_the_code_and_not_to_its_spelling(live: LiveServer) -> None:
    """D43: another case of the scheme and more blanks are the same code; a proxy's own scheme is none."""
    code = start(live)["device_code"]
    spellings = [f"Device {code}", f"device {code}", f"DEVICE   {code} "]
    with ExitStack() as stay:
        for each in spellings:
            status, _ = stay.enter_context(listening(live, EVENTS, Authorization=each))
            assert status == 200
        refused, _ = stay.enter_context(listening(live, EVENTS, Authorization=f"dEVICE {code}"))
        assert refused == 429
    for each in ("Basic YTpi", "Bearer x"):
        places = Push(None, hub)
        scope = {"client": ("203.0.113.9", 1), "headers": [(b"authorization", each.encode())]}
        with ExitStack() as stay:
            assert all(stay.enter_context(places._listener_slot(scope)) for _ in range(10))


def free(live: Any, started: dict[str, Any]) -> bool:
    """Return whether one more listener of this code is accepted."""
    with listening(live, EVENTS, **device(started)) as (status, _):
        return status == 200


def test_a_late_listener_gets_the_state(live: LiveServer) -> None:
    """D43: a stream that opens after the decision starts with it.

    Nothing is lost between two connections.
    """
    started = start(live)
    approve(live, started)
    with listening(live, EVENTS, **device(started)) as (_, stream):
        assert heard(stream) == "approved"


def test_a_socket_hears_the_same(live: LiveServer) -> None:
    """D43: a WebSocket gets the same events, with the code in the handshake's Authorization header."""
    started = start(live)

    async def listen() -> list[str]:
        url = f"ws://acme.test:{live.port}{EVENTS}"
        async with websockets.connect(
            url, host="127.0.0.1", port=live.port, additional_headers=device(started)
        ) as socket:
            await asyncio.to_thread(approve, live, started)
            names = [json.loads(await asyncio.wait_for(socket.recv(), 10))["event"]]
            await asyncio.to_thread(poll, live, started)
            return [*names, json.loads(await asyncio.wait_for(socket.recv(), 10))["event"]]

    assert asyncio.run(listen()) == ["approved", "redeemed"]
    connections.close_all()


def test_a_socket_without_a_code_is_refused(live: LiveServer) -> None:
    """D43: a WebSocket without a code is refused before it is accepted."""

    async def listen() -> int:
        try:
            async with websockets.connect(
                f"ws://acme.test:{live.port}{EVENTS}", host="127.0.0.1", port=live.port
            ):
                return 101
        except websockets.exceptions.InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(listen()) == 403


def test_the_page_of_the_person_changes(live: LiveServer) -> None:
    """The last page's own stream notifies only its browser that the device has connected."""
    started = start(live)
    person, page = approve(live, started)
    cookie = cookie_of(person)
    stranger = httpx.get(
        f"http://127.0.0.1:{live.port}{page.url.path}events", headers={"Host": f"acme.test:{live.port}"}
    )
    assert stranger.status_code == 401
    with listening(live, f"{page.url.path}events", Cookie=cookie) as (status, stream):
        assert status == 200
        poll(live, started)
        assert heard(stream) == "changed"
    assert "Connected" in person.http.get(page.url.path).text


def test_administrators_hear_everything_of_their_tenant(
    live: LiveServer, acme: Tenant, other: Tenant
) -> None:
    """The feed requires an administrator's session of this tenant and starts at the given event.

    It never shows another tenant's event.
    """
    with tenant_scope(acme):
        alice = by_username("alice")
        assert alice is not None
    bob = Person(live)
    bob.submit({"name": "bob"}, {"password": "bob-password-22"})
    admin = Person(live)
    admin.submit({"name": "alice"}, {"password": "alice-password-1"})
    cookies = {name: cookie_of(who) for name, who in (("bob", bob), ("alice", admin))}
    for name in ("bob", "alice"):  # alice is not an administrator yet
        with listening(live, "/events", Cookie=cookies[name]) as (status, _):
            assert status == 401
    with tenant_scope(acme):
        save_person("alice", role="admin", by="test")
    with listening(live, "/events", Cookie=cookies["alice"]) as (status, stream):
        assert status == 200
        start(live, "other.test")
        start(live)
        identifier, _, data = stream.get(timeout=10)
        assert data["kind"] == "device.started"
        assert data["application"] == "tv"
    with tenant_scope(acme):
        mine = set(Event.objects.values_list("pk", flat=True))
    with listening(live, "/events", Cookie=cookies["alice"], **{"Last-Event-ID": "0"}) as (_, stream):
        seen = [stream.get(timeout=10) for _ in range(len(mine))]
        assert {int(each[0]) for each in seen} == mine
        assert int(identifier) in mine


def listener_count() -> int:
    """Return the number of current listeners."""
    return len({queue for queues in hub._listeners.values() for queue in queues})


def test_listeners_who_leave_are_forgotten(live: LiveServer) -> None:
    """A stream whose client has disconnected ends by itself."""
    started = start(live)
    with listening(live, EVENTS, **device(started)):
        until(lambda: listener_count() == 1, "no listener")
    until(lambda: listener_count() == 0, "the listener was never missed")


def test_an_event_of_another_process_is_found(live: LiveServer, acme: Tenant) -> None:
    """An event that the channel layer did not announce is found in the table within a second.

    Commands run in a process of their own.
    """
    started = start(live)
    with listening(live, EVENTS, **device(started)) as (_, stream):
        row = Event.objects.filter(kind="device.started").get()
        Event.objects.create(
            tenant=acme, at=row.at, kind="device.denied", target=row.target, application="tv", topic=row.topic
        )
        assert heard(stream) == "denied"


def test_a_number_that_is_committed_late_is_sent(live: LiveServer, acme: Tenant) -> None:
    """An event that commits after one with a larger number still reaches administrators.

    This can happen on PostgreSQL.
    """
    admin = Person(live)
    admin.submit({"name": "alice"}, {"password": "alice-password-1"})
    with tenant_scope(acme):
        save_person("alice", role="admin", by="test")
        last = Event.objects.order_by("-pk").values_list("pk", flat=True)[0]
    with listening(live, "/events", Cookie=cookie_of(admin)) as (_, stream):
        until(lambda: listener_count() == 1, "no listener")
        moment = timezone.now()
        Event.objects.create(pk=last + 50, tenant=acme, at=moment, kind="test.later")
        assert stream.get(timeout=10)[2]["kind"] == "test.later"
        late = Event.objects.create(pk=last + 20, tenant=acme, at=moment, kind="test.late")
        hub.deliver(WakeUp(late.pk, acme.pk, late.kind, ""))
        assert stream.get(timeout=10)[2]["kind"] == "test.late"


@pytest.mark.parametrize("loss", ["signed out", "no administrator"])
def test_the_feed_ends_with_the_right_to_it(live: LiveServer, acme: Tenant, loss: str) -> None:
    """CVE-2025-29928: the feed ends with the session or the role of its listener."""
    admin = Person(live)
    admin.submit({"name": "alice"}, {"password": "alice-password-1"})
    with tenant_scope(acme):
        alice = save_person("alice", role="admin", by="test")
    with listening(live, "/events", Cookie=cookie_of(admin)) as (_, stream):
        until(lambda: listener_count() == 1, "no listener")
        with tenant_scope(acme):
            if loss == "signed out":
                end_sessions(alice, why="test")
            else:
                save_person("alice", role="", by="test")
        start(live)
        assert stream.get(timeout=10) == ("", "closed", None)


def test_what_came_before_is_not_sent(live: LiveServer, acme: Tenant) -> None:
    """An event from before the feed was opened is not sent, even if the table is read only afterwards."""
    admin = Person(live)
    admin.submit({"name": "alice"}, {"password": "alice-password-1"})
    with tenant_scope(acme):
        save_person("alice", role="admin", by="test")
    with listening(live, "/events", Cookie=cookie_of(admin)) as (_, stream):
        until(lambda: listener_count() == 1, "no listener")
        with tenant_scope(acme):
            before = Event.objects.order_by("-pk")[0]
        hub._seen.clear()
        hub.deliver(WakeUp(before.pk, acme.pk, before.kind, ""))
        Event.objects.create(tenant=acme, at=timezone.now(), kind="test.news")
        assert stream.get(timeout=10)[2]["kind"] == "test.news"
