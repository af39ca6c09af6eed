"""What the feed reads: only what is subscribed to, only in one tenant, and no range twice.

Also how many events a visitor can cause.
"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from idp.events.bus import publish, publish_bounded, publish_once
from idp.events.feed import EventFilter, events_since, recent_events
from idp.events.models import Event
from idp.events.origin import Origin, origin_scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    """The kinds of the events that were delivered."""
    return [row["kind"] for row in rows]


@pytest.fixture
def quiet(acme: Tenant, other: Tenant) -> None:
    """Nothing has happened yet in either tenant."""
    Event.unscoped.all().delete()


@pytest.fixture
def some(quiet: None) -> None:
    """Four events from two addresses."""
    with origin_scope(Origin(address="203.0.113.7")):
        publish("device.approved", actor="alice", application="tv")
        publish("person.changed", actor="bob", target="alice")
    with origin_scope(Origin(address="198.51.100.2")):
        publish("device.denied", actor="bob", application="kiosk")
        publish("session.started", actor="bob")


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({}, ["device.approved", "person.changed", "device.denied", "session.started"]),
        ({"area": "device"}, ["device.approved", "device.denied"]),
        ({"kind": "device.denied,session.started"}, ["device.denied", "session.started"]),
        ({"person": "alice"}, ["device.approved", "person.changed"]),
        ({"application": "kiosk"}, ["device.denied"]),
        ({"address": "203.0.113.7", "area": "person"}, ["person.changed"]),
        ({"address": "::ffff:203.0.113.7", "area": "person"}, ["person.changed"]),
        ({"person": "mallory"}, []),
        (
            {"kind": "\0", "nonsense": "x"},
            ["device.approved", "person.changed", "device.denied", "session.started"],
        ),
    ],
)
def test_only_what_is_wanted(some: None, other: Tenant, wish: dict[str, str], found: list[str]) -> None:
    """A filter by person matches the actor and the target; the past and the news agree.

    The other tenant gets none of it.
    """
    wanted = EventFilter.from_query(wish)
    assert kinds(events_since(0, wanted).rows) == found
    assert kinds(recent_events(wanted).rows) == found[::-1]
    with tenant_scope(other):
        assert events_since(0, wanted).rows == recent_events(wanted).rows == []


def test_no_stretch_is_read_twice(some: None) -> None:
    """A subscriber who wants little moves on past what they did not want.

    Past a full batch they move only as far as the batch goes.
    """
    last = events_since(0).last
    assert events_since(0, EventFilter(person="mallory")).last == last
    first = events_since(0, most=3)
    assert kinds(events_since(first.last, most=3).rows) == ["session.started"]
    assert events_since(last).rows == []


def test_the_newest_are_delivered_and_the_others_counted(some: None) -> None:
    """A page with room for two rows gets the last two, oldest first, and the number of the others."""
    news = events_since(0, most=2, newest_only=True)
    assert (kinds(news.rows), news.skipped) == (["device.denied", "session.started"], 2)
    assert events_since(news.last, most=2, newest_only=True).skipped == 0


def test_a_day_ago_is_the_past(acme: Tenant) -> None:
    """The page begins with the last day, however old the latest event is."""
    publish("device.denied")
    Event.objects.update(at=timezone.now() - timedelta(hours=25))
    assert recent_events().rows == []


def test_addresses_cost_nothing_and_buy_nothing(quiet: None, clock: time_machine.Traveller) -> None:
    """There is one event for each actor, target and address within the window.

    From any number of addresses there are at most a hundred.
    """
    for number in (1, 1, 2):
        with origin_scope(Origin(address=f"203.0.113.{number}")):
            publish_once("test.once", timedelta(minutes=1), target="door")
    assert Event.objects.count() == 2
    for number in range(150):
        with origin_scope(Origin(address=f"2001:db8::{number:x}")):
            publish_once("test.once", timedelta(minutes=1), target="door")
    assert Event.objects.count() == 100
    clock.shift(61)
    publish_once("test.once", timedelta(minutes=1), target="door")
    assert Event.objects.count() == 101


def test_what_is_left_out_is_reported_once(quiet: None, other: Tenant, clock: time_machine.Traveller) -> None:
    """After the limit of a window one event says that more were left out.

    The other tenant and the next window are not affected.
    """
    for _ in range(5):
        publish_bounded("test.small", most=3, actor="alice")
    assert kinds(events_since(0).rows) == ["test.small"] * 3 + ["events.left_out"]
    with tenant_scope(other):
        publish_bounded("test.small", most=3)
        assert kinds(events_since(0).rows) == ["test.small"]
    clock.shift(61)
    publish_bounded("test.small", most=3)
    assert kinds(events_since(0).rows)[-1] == "test.small"


def test_a_wrong_name_is_not_in_the_events(acme: Tenant, door: Doors) -> None:
    """People type passwords where their name belongs, so a name that no account has is never written.

    A known name is written.
    """
    door().page().submit(name="my-secret-password").submit(password="x")
    door().page().submit(name="alice").submit(password="x")
    rows = events_since(0, EventFilter(kind="flow.step_failed")).rows
    assert [(row["actor"], row["data"]["stage"]) for row in rows] == [("", "password"), ("alice", "password")]
    assert "my-secret-password" not in str(list(Event.objects.values()))


def test_guesses_of_device_codes_are_one_event(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """D16: a hundred guesses cause no event.

    The refusal that follows is one event, however often it is repeated.
    """
    device = door(address="203.0.113.7")
    started = device.start()
    for _ in range(104):
        device.poll(started, device_code="guessed")
    rows = events_since(0, EventFilter(kind="device.guessing_throttled")).rows
    assert [row["address"] for row in rows] == ["203.0.113.7"]


def test_too_many_sign_ins_at_once_are_one_event(
    acme: Tenant, door: Doors, settings: Settings, clock: time_machine.Traveller
) -> None:
    """A refusal because of an address is in the feed once a minute."""
    settings.RUNS_PER_ADDRESS = 2
    for _ in range(5):
        page = door(address="203.0.113.7").page()
        if page.step:
            page.submit(name="alice")
    rows = events_since(0, EventFilter(kind="flow.start_refused")).rows
    assert [(row["target"], row["address"]) for row in rows] == [("connect-a-device", "203.0.113.7")]
