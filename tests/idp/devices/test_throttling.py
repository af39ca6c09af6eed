"""What the budgets of code entry leave to an attacker.

It is computed, simulated, and compared with what the budgets really allow.
"""

import random
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from idp.devices import throttling
from idp.devices.throttling import code_length, entry_budgets, longest_lifetime
from idp.events.models import Event
from idp.ratelimit.budgets import Exhausted, charge, refund
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application
from tests.support.attacks import Attack, count_guesses, success_probability
from tests.support.client import Doors

RFC_CHANCE = 2**-32  # RFC 8628 section 5.1


def enter(person: int | None = None, browser: str = "b", address: str = "192.0.2.1") -> bool:
    """One entered code: True when it would be looked up."""
    return not isinstance(charge(entry_budgets(person=person, browser=browser, address=address)), Exhausted)


def test_one_attacker_stays_below_the_figure_of_the_rfc() -> None:
    """D15: one account, one pending code: five guesses at 1.95e-10.

    That is below the 2^-32 (2.33e-10) of RFC 8628 section 5.1.
    """
    assert count_guesses(Attack(addresses=1, accounts=1, live=1)) == 5
    assert success_probability(Attack(addresses=1, accounts=1, live=1)) == pytest.approx(5 / 20**8)
    assert success_probability(Attack(addresses=1, accounts=1, live=1)) < RFC_CHANCE


@pytest.mark.parametrize(
    ("attack", "figure"),
    [
        (Attack(addresses=1, accounts=1, live=1000), 1.953e-7),
        (Attack(addresses=100, accounts=20, live=1000), 3.906e-6),
        (Attack(addresses=1000, accounts=1000, live=1000), 1.953e-4),
        (Attack(addresses=10, accounts=0, live=1000, signs_in_first=False), 1.172e-5),
    ],
)
def test_figures_of_the_real_settings(attack: Attack, figure: float) -> None:
    """D15, D34: the chance within one lifetime of a code is written down.

    A change of a budget is noticed here.
    """
    assert success_probability(attack) == pytest.approx(figure, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack", [Attack(2, 6, 3), Attack(1, 100, 5), Attack(1, 1, 40), Attack(2, 0, 2, signs_in_first=False)]
)
def test_formula_agrees_with_a_simulated_attack(attack: Attack) -> None:
    """D15: of 20,000 attacks on four letters of an alphabet of four a certain share succeeds.

    It lies within four sigma of the formula.
    """
    numbers, rounds, codes = random.Random(8628), 20_000, 4**4
    hits = 0
    for _ in range(rounds):
        live = set(numbers.sample(range(codes), attack.live))
        hits += any(guess in live for guess in numbers.sample(range(codes), count_guesses(attack)))
    expected = success_probability(attack, alphabet=4, length=4)
    sigma = (expected * (1 - expected) / rounds) ** 0.5
    assert abs(hits / rounds - expected) < 4 * sigma + 1e-9


@pytest.mark.parametrize(("addresses", "accounts"), [(1, 1), (2, 3), (1, 10), (2, 13)])
def test_budgets_allow_exactly_the_guesses_of_the_formula_signed_in(
    acme: Tenant, clock: time_machine.Traveller, addresses: int, accounts: int
) -> None:
    """D34: an attacker who spreads over accounts and addresses gets the computed number of guesses.

    The attacker never gives up.
    """
    pairs = [
        (person, f"198.51.100.{address}") for person in range(1, accounts + 1) for address in range(addresses)
    ]
    allowed = sum(
        enter(person=person, address=address)
        for person, address in pairs
        for _ in range(throttling.PER_PERSON + 1)
    )
    assert allowed == count_guesses(Attack(addresses, accounts, live=1))


def test_budgets_allow_exactly_the_guesses_of_the_formula_before_sign_in(
    acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: before the sign-in a fresh browser costs nothing, the address is what counts."""
    tries = [(f"browser {n}", f"198.51.100.{address}") for address in range(2) for n in range(35)]
    assert (
        sum(enter(browser=browser, address=address) for browser, address in tries)
        == count_guesses(Attack(2, 0, 1, signs_in_first=False))
        == 60
    )


def test_window_is_the_longest_lifetime_of_a_code_in_the_tenant(
    acme: Tenant, other: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: guesses count over the life of the longest code of this tenant, not over a minute.

    (RFC 8628 section 5.1)
    """
    assert longest_lifetime() == timedelta(minutes=10)
    save_application("kiosk", by="test", device_code_lifetime=3600)
    assert longest_lifetime() == timedelta(hours=1)
    with tenant_scope(other):
        assert longest_lifetime() == timedelta(minutes=10)
    assert [enter(person=1) for _ in range(6)] == [True] * 5 + [False]
    clock.shift(3599)
    assert not enter(person=1)
    clock.shift(1)
    assert [enter(person=1) for _ in range(6)] == [True] * 5 + [False]


def test_never_more_than_the_budget_in_any_window(acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: attempts spread over time, in no window of ten minutes more than five, wherever it begins."""
    start, taken = timezone.now(), []
    for _ in range(120):
        clock.shift(25)
        if enter(person=1):
            taken.append(timezone.now() - start)
    window = longest_lifetime()
    assert max(sum(first <= other < first + window for other in taken) for first in taken) == 5


def test_budgets_of_tenants_are_separate(acme: Tenant, other: Tenant) -> None:
    """D34: attempts at one tenant cost no one anything at another."""
    assert [enter(person=1) for _ in range(6)][-1] is False
    with tenant_scope(other):
        assert enter(person=1)


def test_ipv6_counts_by_the_64(acme: Tenant) -> None:
    """D34: the addresses of one /64 are one, those of the next are others.

    An IPv4 address written as IPv6 is the IPv4 address.
    """
    allowed = [enter(browser=f"b{n}", address=f"2001:db8:1:1::{n:x}") for n in range(1, 33)]
    assert allowed == [True] * 30 + [False] * 2
    assert enter(browser="x", address="2001:db8:1:2::1")
    assert (
        sum(
            enter(browser=f"m{n}", address=f"::ffff:192.0.2.{7}" if n % 2 else "192.0.2.7") for n in range(40)
        )
        == 30
    )


def test_breaker_lengthens_codes_and_refuses_no_one(
    acme: Tenant, other: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: after 200 wrong codes in the tenant new ones have twelve letters, and one event says so.

    Everyone can still enter codes.
    """
    for n in range(199):
        assert enter(browser=f"b{n}", address=f"10.0.0.{n}")
    assert code_length() == 8
    assert enter(browser="b199", address="10.0.0.199")
    assert [code_length() for _ in range(3)] == [12] * 3
    assert Event.objects.filter(kind="device.codes_lengthened").count() == 1
    assert all(enter(browser=f"c{n}", address=f"10.0.1.{n}") for n in range(50))
    with tenant_scope(other):
        assert code_length() == 8
    clock.shift(longest_lifetime())
    assert code_length() == 8


def test_success_costs_nothing_and_wipes_nothing(acme: Tenant) -> None:
    """D34: a right code gives back what it took, and only that: four wrong ones before it still count."""
    assert [enter(person=1) for _ in range(4)] == [True] * 4
    receipts = charge(entry_budgets(person=1, browser="", address="192.0.2.1"))
    assert isinstance(receipts, list)
    assert not enter(person=1)
    refund(receipts)
    assert [enter(person=1) for _ in range(2)] == [True, False]


def test_long_codes_are_out_of_reach() -> None:
    """D34: twelve letters leave an attacker next to no chance.

    That holds for a million guesses against ten thousand codes.
    """
    attack = Attack(addresses=33_334, accounts=200_000, live=10_000)
    assert count_guesses(attack) == 1_000_000
    assert success_probability(attack, length=12) < 1e-5


def test_service_hands_out_long_codes(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """D34: the device endpoint shows the twelve letters in groups of four."""
    for n in range(200):
        enter(browser=f"b{n}", address=f"10.0.0.{n}")
    assert len(door().start().user_code) == len("XXXX-XXXX-XXXX")
