"""How often what happened, by the minute and by the half hour, in one tenant, by the index alone."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from idp.events.models import Event
from idp.events.statistics import SERIES, SPANS, build_chart
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors

NOW = datetime(2026, 11, 21, 10, 30, 30, tzinfo=UTC)


def happened(kind: str, *ages: timedelta) -> None:
    """Events that happened so long before NOW, in the tenant in scope."""
    for age in ages:
        Event.objects.create(kind=kind, at=NOW - age)


def test_each_event_counts_in_its_own_minute(acme: Tenant) -> None:
    """There are sixty minutes, the last one under way, and an edge belongs to the later bucket.

    What is older or of no series is not counted.
    """
    happened(
        "session.started",
        timedelta(0),
        timedelta(seconds=30),
        timedelta(seconds=31),
        timedelta(minutes=59, seconds=30),
    )
    happened("session.started", timedelta(minutes=59, seconds=31), timedelta(days=2))
    happened("person.changed", timedelta(0))
    found = build_chart(SPANS["hour"], NOW)
    assert found.start == NOW - timedelta(minutes=59, seconds=30)
    assert (len(found.counts["sign_ins"]), found.total("sign_ins")) == (60, 4)
    assert (found.counts["sign_ins"][-1], found.counts["sign_ins"][-2], found.counts["sign_ins"][0]) == (
        2,
        1,
        1,
    )
    assert found.bucket_starts()[-1] == NOW - timedelta(seconds=30)


def test_a_day_is_forty_eight_half_hours(acme: Tenant) -> None:
    """The buckets cover a day; kinds of one series are counted together, others separately."""
    happened("device.denied", timedelta(seconds=30), timedelta(hours=20))
    happened("flow.denied", timedelta(seconds=30))
    happened("flow.throttled", timedelta(minutes=1))
    found = build_chart(SPANS["day"], NOW)
    assert (len(found.counts["denials"]), found.counts["denials"][-1], found.total("denials")) == (48, 2, 3)
    assert (found.counts["failures"][-2], found.total("failures"), found.total("approvals")) == (1, 1, 0)


def test_the_other_tenant_is_not_counted(acme: Tenant, other: Tenant) -> None:
    """Rule 5: every tenant counts its own."""
    with tenant_scope(other):
        happened("session.started", timedelta(0))
        assert build_chart(SPANS["hour"], NOW).total("sign_ins") == 1
    assert build_chart(SPANS["hour"], NOW).total("sign_ins") == 0


@pytest.mark.parametrize("span", SPANS)
def test_a_chart_is_one_query(acme: Tenant, span: str) -> None:
    """It is one query for any number of events, of any kind."""
    with CaptureQueriesContext(connection) as queries:
        build_chart(SPANS[span], NOW)
    assert len(queries) == 1


def test_what_people_do_is_what_is_counted(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """A sign-in, a wrong password, an approval and a denial each increase the series that is named for it.

    They come through the public door.
    """
    browser = door()
    approved, denied = browser.start(), browser.start()
    browser.page("/device").submit(name="alice").submit(password="wrong")
    browser.approve(approved)
    browser.page("/device").submit(user_code=denied.user_code).submit(decision="deny")
    found = build_chart(SPANS["hour"])
    assert {series.name: found.total(series.name) for series in SERIES} == {
        "sign_ins": 1,
        "approvals": 1,
        "denials": 1,
        "failures": 1,
    }
