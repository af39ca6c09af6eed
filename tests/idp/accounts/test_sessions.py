"""Sessions: the database is the only source, and ending one ends it at once everywhere."""

from datetime import timedelta

import httpx
import pytest
import time_machine
from django.utils import timezone

from idp.accounts import sessions
from idp.accounts.models import Person, Session
from idp.accounts.tasks import sweep_sessions
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, LiveServer


def test_an_ended_session_is_ended_for_every_client_that_holds_it(acme: Tenant, door: Doors) -> None:
    """CVE-2025-29928: there is no copy of it anywhere."""
    one, copy = door(), door()
    one.sign_in()
    copy.http.cookies["foyer_session"] = one.http.cookies["foyer_session"].value
    assert copy.page().step == "device_code"
    assert sessions.end(Session.objects.get().pk, why="an administrator")
    assert (one.page().step, copy.page().step) == ("identification", "identification")
    assert not sessions.end(Session.objects.get().pk, why="again")
    assert Event.objects.filter(kind="session.ended").count() == 1


def test_it_is_ended_in_a_running_server_too(live: LiveServer, tenants: dict[str, Tenant]) -> None:
    """CVE-2025-29928: no thread of the server remembers it."""
    browser = Door()
    browser.sign_in()
    cookies = {"foyer_session": browser.http.cookies["foyer_session"].value}

    def signed_in() -> bool:
        page = httpx.get(f"http://127.0.0.1:{live.port}/", headers={"Host": "acme.test"}, cookies=cookies)
        return "Signed in as" in page.text

    assert all(signed_in() for _ in range(5))
    with tenant_scope(tenants["acme"]):
        sessions.end_sessions(Person.objects.get(username="alice"), why="test")
    assert not any(signed_in() for _ in range(5))


def test_each_session_that_ends_with_others_is_an_event(acme: Tenant, other: Tenant, door: Doors) -> None:
    """There is one event for each, on its own topic, with the actor.

    What ended before is not announced again, and the other tenant's session goes on.
    """
    for host in ("acme.test", "acme.test", "acme.test", "other.test"):
        door(host).sign_in()
    first, *rest = Session.objects.order_by("pk").values_list("pk", flat=True)
    sessions.end(first, why="test")
    alice = Person.objects.get(username="alice")
    assert sessions.end_sessions(alice, why="password changed", by="clerk") == 2
    assert sessions.end_sessions(alice, why="password changed", by="clerk") == 0
    recorded = Event.objects.filter(kind="session.ended", actor="clerk").order_by("pk")
    assert [(event.topic, event.target, event.data) for event in recorded] == [
        (sessions.topic_of(pk), "alice", {"why": "password changed"}) for pk in rest
    ]
    with tenant_scope(other):
        assert Session.objects.get().ended_at is None


def test_a_session_expires_with_nothing_running(door: Doors, clock: time_machine.Traveller) -> None:
    """CVE-2025-64708: a session lasts twelve hours, checked when it is read."""
    browser = door()
    browser.sign_in()
    clock.shift(timedelta(hours=11, minutes=59))
    assert browser.page().step == "device_code"
    clock.shift(timedelta(minutes=1))
    assert browser.page().step == "identification"


def test_a_deactivated_persons_session_opens_nothing(acme: Tenant, door: Doors) -> None:
    """CVE-2025-53942."""
    browser = door()
    browser.sign_in()
    Person.objects.filter(username="alice").update(is_active=False)
    assert browser.page().step == "identification"
    assert sessions.find_by_id(Session.objects.get().pk) is None


@pytest.mark.parametrize("key", ["", "x", "0" * 64, "é"])
def test_an_unknown_key_is_no_session(acme: Tenant, door: Doors, key: str) -> None:
    """Also one of the wrong form."""
    assert sessions.find_by_key(key) is None
    browser = door()
    browser.http.cookies["foyer_session"] = key
    assert browser.page().step == "identification"


def test_the_row_says_from_where(acme: Tenant, door: Doors) -> None:
    """For the person who looks at a list of sessions."""
    door(address="203.0.113.9", agent="Browser/7").sign_in()
    session = Session.objects.get()
    assert (session.address, session.agent) == ("203.0.113.9", "Browser/7")
    recorded = Event.objects.get(kind="session.started")
    assert (recorded.actor, recorded.address, recorded.data["methods"]) == ("alice", "203.0.113.9", ["pwd"])


def test_the_sweep_deletes_what_expired_over_a_day_ago(
    tenants: dict[str, Tenant], door: Doors, clock: time_machine.Traveller
) -> None:
    """The sweep covers every tenant, in batches, deletes nothing else, and can be repeated."""
    for host in ("acme.test", "other.test"):
        for _ in range(3):
            door(host).sign_in()
    clock.shift(timedelta(hours=35))
    with tenant_scope(tenants["acme"]):
        assert sessions.sweep(timezone.now()) == 0
    fresh = door()
    fresh.sign_in()
    clock.shift(timedelta(hours=2))
    with tenant_scope(tenants["acme"]):
        assert sessions.sweep(timezone.now(), batch=2) == 2
        assert Session.objects.count() == 2
    assert Session.unscoped.filter(tenant__name="other").count() == 3
    sweep_sessions()
    sweep_sessions()
    assert Session.unscoped.count() == 1
    assert fresh.page().step == "device_code"
