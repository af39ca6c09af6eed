"""Attempts that are charged, given back and swept at the same time: the limit holds without a deadlock."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from idp.ratelimit import budgets
from idp.ratelimit.budgets import Budget, Exhausted, Spend, charge, refund, reserve, settle, sweep
from idp.ratelimit.models import Attempt
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.concurrency import at_once, meeting_at

HOUR = timedelta(hours=1)
OWN, SHARED, WATCHED = (
    Budget("own", 3, HOUR),
    Budget("shared", 8, HOUR),
    Budget("watched", 2, HOUR, refuses=False),
)


def spends(who: int) -> list[Spend]:
    """A person's own budget, one that all share, and one that only watches."""
    return [Spend(OWN, str(who)), Spend(SHARED, ""), Spend(WATCHED, "")]


def scoped(owner: Tenant, function: Callable[[], object]) -> Callable[[], object]:
    """The function, in the scope of the tenant."""

    def run() -> object:
        with tenant_scope(owner):
            return function()

    return run


@pytest.mark.parametrize("given_back", [False, True])
def test_the_limit_holds_while_old_attempts_are_swept(
    transactional_db: None, tenants: dict[str, Tenant], given_back: bool
) -> None:
    """D34: every slot is occupied by an attempt that counts no more, and sweeps run meanwhile."""
    acme, passed = tenants["acme"], []
    with tenant_scope(acme):
        long_ago = timezone.now() - HOUR
        for who in range(4):
            for _ in range(2):
                charge(spends(who))
        assert Attempt.objects.update(at=long_ago - HOUR, expires_at=long_ago) == 18

    def attempt(who: int) -> None:
        for _ in range(4):
            receipts = charge(spends(who))
            if not isinstance(receipts, Exhausted):
                passed.append(who)
                if given_back:
                    refund(receipts)

    def tidy() -> None:
        for _ in range(10):
            sweep(timezone.now(), batch=2)

    attempts = [scoped(acme, partial(attempt, who)) for who in (0, 1, 2, 3, 0, 1)]
    at_once(*attempts, scoped(acme, tidy), scoped(acme, tidy))
    with tenant_scope(acme):
        counted = Attempt.objects.filter(expires_at__gt=timezone.now())
        assert counted.count() == (0 if given_back else 8 + len(passed) + 2)
    if not given_back:
        assert len(passed) == 8
        assert max(map(passed.count, range(4))) <= 3


def test_a_charge_and_a_sweep_do_not_wait_in_a_circle(
    transactional_db: None, tenants: dict[str, Tenant]
) -> None:
    """The charge locks two old attempts in one order, the sweep both in the other."""
    acme = tenants["acme"]
    charged: list[list[int] | Exhausted] = []
    with tenant_scope(acme):
        for budget in (SHARED, OWN):
            charge([Spend(budget, "")])
        Attempt.objects.update(expires_at=timezone.now() - HOUR)
        both = [Spend(OWN, ""), Spend(SHARED, "")]
        work = [
            scoped(acme, lambda: charged.append(charge(both))),
            scoped(acme, lambda: sweep(timezone.now())),
        ]
        meeting_at(Attempt.objects.all(), *work)
        assert [not isinstance(each, Exhausted) and len(each) for each in charged] == [2]
        sweep(timezone.now())
        assert Attempt.objects.count() == 2


@pytest.mark.parametrize("right", [True, False])
def test_what_is_being_judged_is_waited_for(
    transactional_db: None, tenants: dict[str, Tenant], right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D34: of twelve attempts at once against a limit of three, all pass where all are right.

    Three are judged where all are wrong.
    """
    monkeypatch.setattr(budgets, "MAX_WAIT_SECONDS", 60.0)
    acme, judged, budget = tenants["acme"], [], Budget("judged", 3, HOUR, free=2)

    def attempt() -> None:
        receipts = reserve([Spend(budget, "k")])
        if not isinstance(receipts, Exhausted):
            judged.append(receipts)
            settle(receipts, succeeded=right)

    at_once(*[scoped(acme, attempt)] * 12)
    with tenant_scope(acme):
        assert (len(judged), Attempt.objects.count()) == ((12, 0) if right else (2, 2))


def test_an_attempt_whose_verdict_never_comes_counts(acme: Tenant) -> None:
    """A process that died in between blocks no other for ever, and the limit holds."""
    budget = Budget("lost", 1, HOUR)
    assert reserve([Spend(budget, "k")]) != []
    assert isinstance(reserve([Spend(budget, "k")]), Exhausted)
