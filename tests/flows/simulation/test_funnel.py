"""The funnel counts how many reached each step of a version and what became of them.

It stores nothing about any person.
"""

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connections
from django.utils import timezone

from flows.documents.versions import live_version
from flows.editing.publishing import publish
from flows.models import Run, StepCount, Version
from flows.simulation.funnel import WHOLE_RUN, FunnelCount, funnel, sweep
from flows.tasks import sweep_runs
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.flows import draw, row_of
from tests.support.flows import drawing as drawn


def counted(version: Version | None = None) -> dict[str, tuple[int, int, int, int]]:
    """Return how many reached, finished, were refused and left, by step."""
    version = version or live_version("device_code")
    assert version is not None
    return {
        step: (each.reached, each.finished, each.refused, each.left)
        for step, each in funnel(version, may_view_people=True).items()
    }


def swept() -> int:
    """Run one sweep as the worker does it, in the tenant in scope."""
    return sweep(timezone.now())


def test_what_became_of_those_who_came(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """One finished, one said no, one left at the password, one never answered at all."""
    browser = door()
    browser.approve(browser.start())
    second = door()
    second.sign_in().submit(user_code=second.start().user_code).submit(decision="deny")
    door().page().submit(name="alice")
    door().page()
    swept()
    assert counted()[WHOLE_RUN] == (2, 1, 1, 0), "those under way are not counted yet"
    clock.shift(timedelta(minutes=31))
    swept()
    assert counted() == {
        WHOLE_RUN: (4, 1, 1, 2),
        "identification": (4, 3, 0, 1),
        "password": (3, 2, 0, 1),
        "login": (2, 2, 0, 0),
        "device_code": (2, 2, 0, 0),
        "consent": (2, 1, 1, 0),
        "finish": (1, 1, 0, 0),
    }


def test_how_long_it_took(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """The time runs from asking a step to its decision, and the median is a power of two seconds."""
    for seconds in (1, 3, 100):
        browser = door()
        seen = browser.page()
        clock.shift(seconds)
        seen = seen.submit(name="alice")
        clock.shift(10)
        seen.submit(password="alice-password-1").submit(user_code=browser.start().user_code).submit(
            decision="approve"
        )
    swept()
    version = live_version("device_code")
    assert version is not None
    counts = funnel(version, may_view_people=True)
    name, password, whole = counts["identification"], counts["password"], counts[WHOLE_RUN]
    assert (name.milliseconds, name.median_seconds, round(name.mean_seconds, 2)) == (104_000, 4, 34.67)
    assert (password.milliseconds, password.median_seconds, password.mean_seconds) == (30_000, 16, 10.0)
    assert (whole.milliseconds, whole.finished, whole.median_seconds) == (134_000, 3, 16)


@pytest.mark.parametrize(
    ("milliseconds", "median"),
    [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 4), (1_024_000, 1024), (9_000_000, 2048)],
)
def test_the_buckets(milliseconds: int, median: int) -> None:
    """Buckets end with 1, 2, 4 … seconds, and the last holds everything that took longer."""
    count = FunnelCount()
    count.add("finished", milliseconds)
    assert count.median_seconds == median
    assert sum(count.buckets) == 1


def test_no_one_finished() -> None:
    """There is no time then, and no division by zero."""
    count = FunnelCount()
    count.add("left", 500)
    assert (count.median_seconds, count.mean_seconds, count.reached) == (0, 0.0, 1)


def test_a_second_sweep_counts_nothing_twice(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """Neither a page that is viewed again afterwards nor the deletion of the expired run counts."""
    browser = door()
    last = browser.approve(browser.start())
    swept()
    before = counted()
    browser.page(last.path)
    assert swept() == 0
    clock.shift(timedelta(minutes=31))
    browser.page(last.path)
    while swept():
        pass
    assert counted() == before
    assert Run.objects.count() == 0


def test_a_finished_run_counts_so_however_late_it_is_swept(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """It counts when the worker stood still for an hour and the expired last page was viewed meanwhile."""
    browser = door()
    last = browser.approve(browser.start())
    clock.shift(timedelta(hours=1))
    assert browser.page(last.path).title == "This took too long"
    swept()
    assert counted()[WHOLE_RUN] == (1, 1, 0, 0)
    assert counted()["finish"] == (1, 1, 0, 0)


def test_two_sweeps_at_the_same_moment_count_once(
    transactional_db: None, tenants: dict[str, Tenant], door: Doors
) -> None:
    """Two workers run at once, as after a restart that overlaps."""
    for _ in range(6):
        browser = door()
        browser.sign_in().submit(user_code=browser.start().user_code).submit(decision="deny")
    gate, failed = threading.Barrier(3), list[BaseException]()

    def work() -> None:
        try:
            gate.wait(10)
            with tenant_scope(tenants["acme"]):
                while sweep(timezone.now(), batch=2):
                    pass
        except BaseException as error:
            failed.append(error)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed, failed
    with tenant_scope(tenants["acme"]):
        assert counted()[WHOLE_RUN] == (6, 0, 6, 0)
        assert counted()["consent"] == (6, 0, 6, 0)


def test_nothing_of_a_person_is_left(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """Counts contain steps, numbers and times only.

    Once a run has expired its row is gone, with name, address and browser.
    """
    browser = door(address="203.0.113.77", agent="Very rare browser")
    browser.approve(browser.start())
    door(address="203.0.113.78").page().submit(name="somebody-quite-rare")
    clock.shift(timedelta(hours=1))
    sweep_runs()
    assert Run.unscoped.count() == 0
    kept = str(
        [list(model._base_manager.values_list()) for model in apps.get_app_config("flows").get_models()]
    )
    for word in ("alice", "somebody-quite-rare", "203.0.113", "Very rare"):
        assert word not in kept
    fields = {field.name for field in StepCount._meta.get_fields()}
    assert fields == {
        "id",
        "tenant",
        "version",
        "step",
        "reached",
        "finished",
        "refused",
        "left",
        "milliseconds",
        "buckets",
    }


def test_each_version_has_its_own(
    acme: Tenant, other: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """A run counts for its own version, and for no other tenant."""
    door().page().submit(name="alice")
    old = live_version("device_code")
    new = draw("identification", "password", "login", "device_code", "consent", "finish", title="New").version
    door().page()
    door("other.test").page()
    clock.shift(timedelta(minutes=31))
    sweep_runs()
    assert counted(old)["password"] == (1, 0, 0, 1)
    assert counted(new) == {WHOLE_RUN: (1, 0, 0, 1), "identification": (1, 0, 0, 1)}
    with tenant_scope(other):
        assert counted() == {WHOLE_RUN: (1, 0, 0, 1), "identification": (1, 0, 0, 1)}
        assert funnel(new, may_view_people=True) == {}


def test_a_run_that_went_on_in_an_applications_own_flow_counts_in_both(acme: Tenant, door: Doors) -> None:
    """Each step where it was asked; the run as a whole where it ended."""
    own = draw(
        "identification", "password", "login", "device_code", "consent", flow="own", default=False
    ).version
    Application.objects.filter(name="tv").update(flows={"device_code": "own"})
    browser = door()
    browser.sign_in().submit(user_code=browser.start().user_code).submit(decision="approve")
    swept()
    assert set(counted()) == {"identification", "password", "login", "device_code"}
    assert counted(own) == {WHOLE_RUN: (1, 1, 0, 0), "consent": (1, 1, 0, 0)}


def test_steps_of_groups_and_sub_flows_count_under_their_own_names(acme: Tenant, door: Doors) -> None:
    """A refusal that went on is a refusal of the step, not of the run."""
    publish(
        drawn({"stage": "choice", "id": "q"}, {"stage": "deny"}, flow="part", **{"for": "part"}), by="test"
    )
    draw({"flow": "part", "on_refusal": "continue"}, {"stage": "redirect", "settings": {"to": "/there"}})
    seen = door().page()
    assert seen.step == "part.q"
    seen.submit(choice="yes")
    assert row_of(seen).state["end"]["kind"] == "leave"
    swept()
    assert counted() == {
        WHOLE_RUN: (1, 1, 0, 0),
        "part.q": (1, 1, 0, 0),
        "part.deny": (1, 0, 1, 0),
        "redirect": (1, 1, 0, 0),
    }


def test_a_deleted_flow_takes_its_counts_along(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """A sweep does not fail on runs that had left it."""
    own = draw(
        "identification", "password", "login", "device_code", "consent", flow="own", default=False
    ).version
    Application.objects.filter(name="tv").update(flows={"device_code": "own"})
    browser = door()
    seen = browser.sign_in().submit(user_code=browser.start().user_code)
    row = row_of(seen)
    state: dict[str, Any] = row.state
    state["before"][0]["version"] = 987_654_321
    Run.objects.filter(pk=row.pk).update(state=state)
    clock.shift(timedelta(minutes=31))
    swept()
    assert counted(own) == {WHOLE_RUN: (1, 0, 0, 1), "consent": (1, 0, 0, 1)}
