"""The live page: its first rows, its filters in the address, its sentences, and its stream."""

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from idp.accounts.people import save_person
from idp.events.bus import publish, publish_bulk
from idp.events.models import Event
from idp.events.notify import WakeUp
from idp.events.origin import Origin, origin_scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, LiveServer
from tests.web.server.test_push import Person, cookie_of, listening
from web.server.server import hub

pytestmark = pytest.mark.both_modes

_ROW = re.compile(r"<li[^>]*><time.*?</time>(.*?)</li>", re.DOTALL)


def signed_in(door: Doors, role: str, host: str = "acme.test") -> Door:
    """Return a door signed in as alice with this role; call it with her tenant in scope."""
    save_person("alice", role=role, by="test")
    browser = door(host)
    browser.sign_in()
    return browser


def rows(text: str) -> list[str]:
    """Return the sentences of the page's rows, newest first."""
    return [html.unescape(re.sub(r"<[^>]+>", "", row)).strip() for row in _ROW.findall(text)]


def test_each_row_says_it_in_plain_words(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Each row says who did what from where, with links to the person, the application and the device.

    There is nothing of another tenant.
    """
    browser, device = signed_in(door, "auditor"), door(address="203.0.113.7")
    with tenant_scope(other):
        publish("session.started", actor="mallory")
    Event.objects.all().delete()
    started = device.start()
    browser.approve(started)
    device.poll(started)
    door().page().submit(name="bob").submit(password="wrong")
    door().page().submit(name="nobody-here").submit(password="wrong")
    page = browser.page("/console/live/")
    pk = Event.objects.get(kind="device.approved").target.removeprefix("device ")
    assert rows(page.text) == [
        "Wrong password for Someone from 127.0.0.1run",
        "Wrong password for bob from 127.0.0.1run",
        "tv got tokens for alice from 203.0.113.7",
        f"tv connected for alice from 203.0.113.7device {pk}",
        f"alice approved tv from 127.0.0.1device {pk}",
        f"alice entered a device code for tv from 127.0.0.1device {pk}",
        f"A device requested access to tv from 203.0.113.7device {pk}",
    ]
    for link in ("/console/people/one/alice", "/console/applications/one/tv", f"/console/devices/{pk}/"):
        assert f'href="{link}"' in page.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?area=device", ["bob denied kiosk", "alice approved tv from 203.0.113.7"]),
        ("?person=bob", ["bob denied kiosk", "bob signed in"]),
        ("?application=tv&address=203.0.113.7", ["alice approved tv from 203.0.113.7"]),
        ("?kind=session.started,device.denied", ["bob denied kiosk", "bob signed in"]),
        ("?person=%3Cscript%3Ealert(1)%3C/script%3E", []),
        ("?kind=%00&person=%FF&area=" + "x" * 5000, []),
    ],
)
def test_filters_live_in_the_address(acme: Tenant, door: Doors, query: str, found: list[str]) -> None:
    """The page and its stream have the same filters, and each filter has a chip that removes it.

    Hostile values in the address do not run.
    """
    browser = signed_in(door, "auditor")
    Event.objects.all().delete()
    publish("session.started", actor="bob")
    with origin_scope(Origin(address="203.0.113.7")):
        publish("device.approved", actor="alice", application="tv")
    publish("device.denied", actor="bob", application="kiosk")
    page = browser.page(f"/console/live/{query}")
    assert rows(page.text) == found
    assert page.text.count('class="chip"') == query.count("=") - query.count("kind=%00")
    assert "<script>alert" not in page.text
    stream = html.unescape(re.findall(r'data-stream="([^"]*)"', page.text)[0])
    assert stream.startswith("/events?")
    assert stream.endswith(f"after={Event.objects.order_by('-pk')[0].pk}&newest=200")


def test_words_that_anyone_can_choose_are_only_words(acme: Tenant, door: Doors) -> None:
    """CVE-2026-42849: hostile names and reasons in events stay text on the page."""
    browser = signed_in(door, "auditor")
    evil = '"><img src=x onerror=alert(1)>'
    for kind in ("session.started", "device.approved", "strange.kind", "flow.broken"):
        publish(kind, actor=evil, target=evil, application=evil, why=evil, run=evil, stage=evil)
    page = browser.page("/console/live/")
    assert "<img src=x" not in page.text
    assert page.text.count(html.escape(evil)) >= 4


def test_at_most_two_hundred_rows_and_few_queries(acme: Tenant, door: Doors) -> None:
    """The page has 200 rows and takes twenty queries at most, with many events as with few."""
    browser = signed_in(door, "auditor")

    def look() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            page = browser.page("/console/live/?area=device")
        return len(rows(page.text)), len(queries)

    _none, few = look()
    for _ in range(210):
        publish("device.denied", actor="bob", application="tv")
    assert look() == (200, few)
    assert few <= 20


@pytest.mark.parametrize(("role", "status"), [("helpdesk", 200), ("editor", 403), ("", 403)])
def test_who_may_watch(acme: Tenant, door: Doors, role: str, status: int) -> None:
    """The page requires ``events.see`` (idp/accounts/roles.py)."""
    assert signed_in(door, role).page("/console/live/").status == status


# --- the stream ---------------------------------------------------------------------------------------------


def watching(live: LiveServer) -> str:
    """The cookie of alice, an auditor, at the live server."""
    admin = Person(live)
    admin.submit({"name": "alice"}, {"password": "alice-password-1"})
    admin.http.close()
    save_person("alice", role="auditor", by="test")
    return cookie_of(admin)


def heard(received: Any, many: int) -> list[Any]:
    """Return the data of the next events."""
    return [received.get(timeout=10)[2] for _ in range(many)]


def test_the_stream_sends_only_what_is_requested(live: LiveServer, acme: Tenant, other: Tenant) -> None:
    """The server filters the stream, so that nothing else is sent; each row comes with its sentence."""
    with listening(live, "/events?area=device&person=alice", Cookie=watching(live)) as (status, received):
        assert status == 200
        publish("session.started", actor="alice")
        publish("device.approved", actor="bob", application="tv")
        with tenant_scope(other):
            publish("device.approved", actor="alice", application="tv")
        publish("device.approved", actor="alice", application="kiosk")
        publish("device.denied", actor="alice", application="tv", target="device 7")
        first, second = heard(received, 2)
    assert [first["application"], second["kind"]] == ["kiosk", "device.denied"]
    assert [part[0] for part in second["sentence"]["parts"]] == ["alice", " denied ", "tv"]
    assert second["sentence"]["about"] == ["device 7", "/console/devices/7/"]


def test_it_goes_on_after_the_last_event(live: LiveServer, acme: Tenant) -> None:
    """The stream continues after the number in the header, or in the address; the header wins.

    A number that no event has yet is ignored.
    """
    cookie = watching(live)
    numbers = [publish("device.denied", actor=f"clerk-{number}").pk for number in range(3)]
    for path, headers, first in (
        (f"/events?after={numbers[0]}", {}, "clerk-1"),
        (f"/events?after={numbers[0]}", {"Last-Event-ID": str(numbers[1])}, "clerk-2"),
    ):
        with listening(live, path, Cookie=cookie, **headers) as (_, received):
            assert heard(received, 1)[0]["actor"] == first
    for path, headers in (
        ("/events?after=" + "9" * 18, {}),
        ("/events?after=-1", {}),
        ("/events", {"Last-Event-ID": "9" * 30}),
    ):
        with listening(live, path, Cookie=cookie, **headers) as (status, received):
            assert status == 200
            publish("device.denied", actor="clerk-new")
            assert heard(received, 1)[0]["actor"] == "clerk-new"


def test_a_page_gets_what_it_can_show_and_how_much_it_missed(live: LiveServer, acme: Tenant) -> None:
    """After a long absence the page gets the newest events in order, and the number of those omitted."""
    cookie = watching(live)
    first = publish("device.denied", actor="clerk").pk
    for number in range(30):
        publish("device.denied", actor=f"clerk-{number}")
    with listening(live, f"/events?after={first}&newest=5", Cookie=cookie) as (_, received):
        found = heard(received, 6)
    assert found[0] == {"count": 25}
    assert [row["actor"] for row in found[1:]] == [f"clerk-{number}" for number in range(25, 30)]


def test_what_was_passed_over_does_not_come_late(live: LiveServer, acme: Tenant) -> None:
    """A late wake-up for an omitted event does not add it after the newest one."""
    cookie = watching(live)
    first = publish("test.many").pk
    publish_bulk("test.many", [(str(number), "", "") for number in range(30)])
    with listening(live, f"/events?area=test&after={first}&newest=5", Cookie=cookie) as (_, received):
        assert [row.get("target") for row in heard(received, 6)] == [None, "25", "26", "27", "28", "29"]
        for row in Event.objects.filter(kind="test.many"):
            hub.deliver(WakeUp(row.pk, acme.pk, row.kind, ""))
        publish("test.end")
        assert heard(received, 1)[0]["kind"] == "test.end"


def test_events_come_in_batches(live: LiveServer, acme: Tenant) -> None:
    """Three hundred events at once arrive in order, each exactly once, on every stream without a filter."""
    with listening(live, "/events?area=test", Cookie=watching(live)) as (_, received):
        for number in range(300):
            publish("test.many", target=str(number))
        assert [row["target"] for row in heard(received, 300)] == [str(number) for number in range(300)]


@pytest.mark.parametrize("loss", ["role", "other host"])
def test_a_devices_stream_is_for_roles_that_may_see_devices(
    live: LiveServer, acme: Tenant, loss: str
) -> None:
    """The stream of the timeline says only that something changed, and ends with the permission to it."""
    cookie = watching(live)
    started = Door().start()
    pk = Event.objects.get(kind="device.started").target.removeprefix("device ")
    path = f"/console/devices/{pk}/events"
    with (
        listening(live, path) as (anonymous, _),
        listening(live, path, host="other.test", Cookie=cookie) as (stranger, _),
    ):
        assert (anonymous, stranger) == (401, 401)
    with listening(live, f"/console/devices/{10**17}/events", Cookie=cookie) as (unknown, _):
        assert unknown == 401
    with listening(live, path, Cookie=cookie) as (status, received):
        assert status == 200
        Door().approve(started, name="bob", password="bob-password-22")
        assert received.get(timeout=10)[1:] == ("changed", {})
        if loss == "role":
            save_person("alice", role="editor", by="test")
            Door().poll(started)
            item = received.get(timeout=10)
            while item[1] != "closed":
                assert item[1:] == ("changed", {})
                item = received.get(timeout=10)
