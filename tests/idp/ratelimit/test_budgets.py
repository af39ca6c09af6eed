"""Budgets: never more than the limit in any window, for every timing of the attempts."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.ratelimit.budgets import (
    Budget,
    Exhausted,
    Spend,
    address_key,
    charge,
    exhausted_until,
    refund,
    sweep,
)
from idp.ratelimit.models import Attempt
from idp.ratelimit.tasks import sweep_attempts
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

TEN_MINUTES = timedelta(minutes=10)


def taken(budget: Budget, key: str = "k") -> bool:
    """Whether an attempt was let through."""
    return not isinstance(charge([Spend(budget, key)]), Exhausted)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 240), min_size=5, max_size=25))
def test_no_window_ever_holds_more_than_the_limit(acme: Tenant, pauses: list[int]) -> None:
    """The window slides: fixed windows would let through twice the limit around an edge."""
    Attempt.objects.all().delete()
    budget, times = Budget("b", 3, TEN_MINUTES), []
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as clock:
        for pause in pauses:
            clock.shift(pause)
            if taken(budget):
                times.append(timezone.now())
    for begin in times:
        assert sum(begin <= each < begin + TEN_MINUTES for each in times) <= 3


def test_a_refusal_takes_nothing_and_says_when_to_come_back(
    acme: Tenant, clock: time_machine.Traveller
) -> None:
    """Waiting is enough: attempts meanwhile do not prolong it."""
    budget, begun = Budget("b", 2, TEN_MINUTES), timezone.now()
    assert taken(budget)
    clock.shift(60)
    assert taken(budget)
    for _ in range(20):
        clock.shift(20)
        refused = charge([Spend(budget, "k")])
        assert isinstance(refused, Exhausted)
        assert refused.until == begun + TEN_MINUTES
    clock.move_to(begun + TEN_MINUTES)
    assert taken(budget)
    assert not taken(budget)


def test_several_budgets_are_charged_all_or_none(acme: Tenant) -> None:
    """What the second refuses the first does not pay."""
    wide, narrow = Budget("wide", 10, TEN_MINUTES), Budget("narrow", 1, TEN_MINUTES)
    receipts = charge([Spend(wide, "a"), Spend(narrow, "a")])
    assert not isinstance(receipts, Exhausted)
    assert len(receipts) == 2
    for _ in range(5):
        refused = charge([Spend(wide, "a"), Spend(narrow, "a")])
        assert isinstance(refused, Exhausted)
        assert refused.budget.name == "narrow"
    assert Attempt.objects.count() == 2


def test_giving_back_frees_that_attempt_only(acme: Tenant) -> None:
    """A success never wipes the failures before it."""
    budget = Budget("b", 3, TEN_MINUTES)
    assert taken(budget)
    assert taken(budget)
    receipts = charge([Spend(budget, "k")])
    assert isinstance(receipts, list)
    assert not taken(budget)
    refund(receipts)
    refund(receipts)
    assert taken(budget)
    assert not taken(budget)


def test_keys_budgets_and_tenants_do_not_share(tenants: dict[str, Tenant]) -> None:
    """Budgets are separate by key, name and tenant, and the table holds neither names nor addresses."""
    budget = Budget("b", 1, TEN_MINUTES)
    with tenant_scope(tenants["acme"]):
        assert taken(budget, "203.0.113.9")
        assert taken(budget, "203.0.113.8")
        assert taken(Budget("c", 1, TEN_MINUTES), "203.0.113.9")
        assert not taken(budget, "203.0.113.9")
    with tenant_scope(tenants["other"]):
        assert taken(budget, "203.0.113.9")
    assert "203.0.113" not in str(list(Attempt.unscoped.values()))


def test_the_back_off_doubles(acme: Tenant, clock: time_machine.Traveller) -> None:
    """Free ones first, then 1 s, 2 s, 4 s …, a quarter of the window at most."""
    budget = Budget("b", 12, timedelta(minutes=8), free=2)
    waits = []
    for _ in range(11):
        charged = charge([Spend(budget, "k")])
        while isinstance(charged, Exhausted):
            waits.append((charged.until - timezone.now()).total_seconds())
            clock.move_to(charged.until)
            charged = charge([Spend(budget, "k")])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_a_budget_that_refuses_no_one_only_counts(acme: Tenant, clock: time_machine.Traveller) -> None:
    """The breaker: once it is exhausted it says so, and takes no more rows."""
    breaker = Budget("tenant", 3, TEN_MINUTES, refuses=False)
    for _ in range(10):
        assert taken(breaker, "")
    assert Attempt.objects.count() == 3
    assert exhausted_until(Spend(breaker, "")) == timezone.now() + TEN_MINUTES
    clock.shift(TEN_MINUTES)
    assert exhausted_until(Spend(breaker, "")) is None


def test_racing_attempts_never_exceed_the_limit(transactional_db: None, tenants: dict[str, Tenant]) -> None:
    """Of twenty at once against a limit of five, five are let through, and none waits for a lock for ever."""
    budget, passed = Budget("race", 5, TEN_MINUTES), []

    def attempt() -> None:
        with tenant_scope(tenants["acme"]):
            passed.append(taken(budget))
        connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(passed), sum(passed)) == (20, 5)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::1", "::/64"),
    ],
)
def test_addresses_as_budgets_count_them(address: str, key: str) -> None:
    """IPv4 whole, IPv6 by the /64 that one household or server has to itself."""
    assert address_key(address) == key


def test_the_sweep_deletes_what_no_longer_counts(
    tenants: dict[str, Tenant], clock: time_machine.Traveller
) -> None:
    """In every tenant, in batches; what still counts stays, so a sweep never opens a door."""
    for tenant in tenants.values():
        with tenant_scope(tenant):
            for key in "abc":
                taken(Budget("old", 1, timedelta(minutes=1)), key)
            taken(Budget("new", 1, timedelta(hours=1)), "k")
    clock.shift(61)
    with tenant_scope(tenants["acme"]):
        assert sweep(timezone.now(), batch=2) == 2
        assert Attempt.objects.count() == 2
    assert Attempt.unscoped.filter(tenant__name="other").count() == 4
    sweep_attempts()
    sweep_attempts()
    assert Attempt.unscoped.count() == 2
    for tenant in tenants.values():
        with tenant_scope(tenant):
            assert not taken(Budget("new", 1, timedelta(hours=1)), "k")
