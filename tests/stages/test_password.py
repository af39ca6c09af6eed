"""password: the same text and the same cost for every failure, an upgrade of an old hash, and a back-off."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import argon2
import pytest
import time_machine
from argon2.low_level import Type
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from idp.accounts.credentials import UpgradeHash
from idp.accounts.hashers import Argon2id
from idp.accounts.models import Person, Session
from idp.accounts.sessions import SignIn
from idp.events.models import Event
from idp.foundation.effects import EffectConflict
from idp.tenancy.models import Tenant
from tests.support.client import Door, Doors, Seen
from tests.support.flows import draw, facts_of

WRONG = "Incorrect username or password."


@pytest.fixture
def hashings(production_hashing: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The memory, passes and lanes of every real Argon2 computation, as the library was asked for it."""
    asked: list[str] = []
    really_verify, really_hash = argon2.PasswordHasher.verify, argon2.low_level.hash_secret

    def verify(self: argon2.PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        asked.append(str(hash).split("$")[3])
        return really_verify(self, hash, password)

    def hash_secret(*args: Any, **options: Any) -> bytes:
        asked.append("m={memory_cost},t={time_cost},p={parallelism}".format(**options))
        return really_hash(*args, **options)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    monkeypatch.setattr(argon2.low_level, "hash_secret", hash_secret)
    return asked


def at_password(browser: Door, name: str) -> Seen:
    """The page that asks for it."""
    return browser.page().submit(name=name)


def test_every_kind_of_wrong_looks_and_costs_the_same(acme: Tenant, door: Doors, hashings: list[str]) -> None:
    """Unknown, inactive, without a password, wrong: one message and one status.

    There is one computation of the same cost.
    """
    Person.objects.create(username="passwordless")
    at_password(door(), "nobody").submit(password="the first one makes the dummy hash")
    pages: dict[str, str] = {}
    costs: dict[str, list[str]] = {}
    tried = {
        "alice": "wrong",
        "nobody": "alice-password-1",
        "inactive": "inactive-password-3",
        "passwordless": "anything",
        "bob": "alice-password-1",
    }
    for name, password in tried.items():
        seen = at_password(door(address=f"203.0.113.{len(pages)}"), name)
        hashings.clear()
        shown = seen.submit(password=password)
        costs[name] = list(hashings)
        pages[name] = shown.text.split("<main>")[1].split("</main>")[0]
        for volatile in (name, shown.hidden["token"], shown.path):
            pages[name] = pages[name].replace(volatile, "…")
        assert (shown.status, shown.step, WRONG in shown.text) == (200, "password", True)
    assert set(map(tuple, costs.values())) == {("m=19456,t=2,p=1",)}
    assert len(set(pages.values())) == 1


def test_the_right_password_costs_the_same_as_a_wrong_one(
    acme: Tenant, door: Doors, hashings: list[str]
) -> None:
    """There is one computation, and nothing is hashed again."""
    seen = at_password(door(), "alice")
    hashings.clear()
    assert seen.submit(password="alice-password-1").step == "device_code"
    assert hashings == ["m=19456,t=2,p=1"]


@pytest.mark.parametrize(
    ("typed", "computations"), [("Ärger", 1), ("A\u0308rger", 2), ("no\u00a0blank", 2), ("plain wrong", 1)]
)
def test_only_what_has_another_form_is_tried_twice(
    acme: Tenant, door: Doors, hashings: list[str], typed: str, computations: int
) -> None:
    """Once as it is hashed today, once as it was typed, for people with older hashes.

    The hash for an unknown person costs the same.
    """
    at_password(door(), "nobody").submit(password="the first one makes the dummy hash")
    for at, name in enumerate(("alice", "inactive", "nobody")):
        seen = at_password(door(address=f"203.0.113.{at}"), name)
        hashings.clear()
        assert seen.submit(password=typed).step == "password"
        assert hashings == ["m=19456,t=2,p=1"] * computations


def _pbkdf2(password: str) -> str:
    return PBKDF2PasswordHasher().encode(password, "somesaltsomesaltsomesalt", iterations=1000)


def _weak_argon2(password: str) -> str:
    return (
        "argon2"
        + argon2.low_level.hash_secret(
            password.encode(), b"somesaltsomesalt", 1, 8192, 1, 16, Type.ID
        ).decode()
    )


@pytest.mark.parametrize("old", [_pbkdf2, _weak_argon2])
def test_an_old_hash_is_replaced_when_its_password_was_right(
    production_hashing: None, acme: Tenant, door: Doors, old: Callable[[str], str]
) -> None:
    """The hash changes with the same step: a wrong password changes nothing.

    The right one stores today's profile.
    """
    people = Person.objects.filter(username="alice")
    stored = old("alice-password-1")
    people.update(password=stored)
    seen = at_password(door(), "alice")
    assert seen.submit(password="wrong").step == "password"
    assert people.get().password == stored
    assert seen.submit(password="alice-password-1").step == "device_code"
    new = people.get().password
    assert new.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert not Argon2id().must_update(new)
    assert door().sign_in().step == "device_code"
    assert people.get().password == new
    assert not Event.objects.filter(kind="person.password_changed").exists()


def test_the_upgrade_does_not_undo_a_change_made_meanwhile(acme: Tenant, door: Doors) -> None:
    """The effect compares with the hash that the stage had seen."""
    alice = Person.objects.get(username="alice")
    UpgradeHash(alice.pk, "a hash that is no longer there", "another").apply()
    assert Person.objects.get(pk=alice.pk).password == alice.password


@pytest.mark.parametrize(
    "password",
    ["", "alice-password-1 ", " alice-password-1", "ALICE-PASSWORD-1", "alice-password-1\x00x", "x" * 1001],
)
def test_almost_right_is_wrong(door: Doors, password: str) -> None:
    """Not trimmed, not folded, bounded."""
    seen = at_password(door(), "alice").submit(password=password)
    assert (seen.step, facts_of(seen)) == ("password", {"person"})


def test_the_password_stays_nowhere(acme: Tenant, door: Doors) -> None:
    """Neither in the page that says it was wrong nor in the run."""
    seen = at_password(door(), "alice").submit(password="hunter2-hunter2")
    assert "hunter2-hunter2" not in seen.text
    assert "hunter2" not in str(list(Event.objects.values()))


def test_wrong_passwords_must_wait_longer_and_longer(door: Doors, clock: time_machine.Traveller) -> None:
    """Four are free; then 1, 2, 4 … seconds after the last one.

    The page and Retry-After show it, and the right password is refused as well.
    """
    browser = door()
    seen = at_password(browser, "alice")
    for _ in range(4):
        assert seen.submit(password="wrong").status == 200
    for wait in (1, 2, 4, 8):
        early = seen.submit(password="alice-password-1")
        assert (early.status, early.step, int(early.response["Retry-After"])) == (429, "password", wait + 1)
        assert "Too many attempts." in early.text
        clock.shift(timedelta(seconds=wait))
        assert seen.submit(password="wrong").status == 200
    clock.shift(timedelta(seconds=16))
    assert seen.submit(password="alice-password-1").step == "device_code"


@pytest.mark.parametrize("name", ["alice", "nobody", "inactive"])
def test_the_back_off_does_not_reveal_which_names_exist(
    door: Doors, clock: time_machine.Traveller, name: str
) -> None:
    """The same number of free attempts for every name."""
    seen = at_password(door(), name)
    statuses = [seen.submit(password="wrong").status for _ in range(6)]
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_the_back_off_is_per_name_address_and_tenant(door: Doors, clock: time_machine.Traveller) -> None:
    """Alice at home is not locked out by a person elsewhere, nor bob by alice.

    The other tenant's alice is not locked out by ours.
    """
    for _ in range(6):
        at_password(door(address="203.0.113.9"), "ALICE ").submit(password="wrong")
    assert at_password(door(address="203.0.113.9"), "alice").submit(password="alice-password-1").status == 429
    assert door(address="198.51.100.7").sign_in().step == "device_code"
    assert door(address="203.0.113.9").sign_in("bob", "bob-password-22").step == "device_code"
    assert door("other.test", address="203.0.113.9").sign_in().step == "device_code"


@pytest.mark.slow
def test_one_address_cannot_try_a_password_on_everyone(door: Doors, clock: time_machine.Traveller) -> None:
    """Spraying: a hundred in an hour from one network, with any names."""
    browser = door(address="2001:db8::1")
    seen = at_password(browser, "alice")
    statuses = []
    for at in range(101):
        if at % 3 == 0:
            seen = at_password(door(address=f"2001:db8::{at + 2:x}"), f"nobody{at}")
        statuses.append(seen.submit(password="wrong").status)
    assert statuses == [200] * 100 + [429]
    clock.shift(timedelta(hours=1))
    assert door(address="2001:db8::7").sign_in().step == "device_code"


def test_the_settings_move_the_back_off(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """Fewer free attempts, a shorter memory."""
    settings = {"free": 1, "window": "2m"}
    draw(
        "identification",
        {"stage": "password", "settings": settings},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    seen = at_password(door(), "alice")
    assert [seen.submit(password="wrong").status for _ in range(2)] == [200, 429]
    clock.shift(timedelta(minutes=2))
    assert seen.submit(password="wrong").status == 200


def test_a_person_deactivated_between_password_and_sign_in_is_not_signed_in(
    acme: Tenant, door: Doors
) -> None:
    """CVE-2025-53942: inactive people pass on no second path; the domain function checks again."""
    alice = Person.objects.get(username="alice")
    Person.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(EffectConflict):
        SignIn(alice.pk, ("pwd",), None).apply()
    assert not Session.objects.exists()
