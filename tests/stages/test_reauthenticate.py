"""reauthenticate: asks when the proof is too old and not before, and moves the session's time on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from idp.accounts.models import Credential, Person, Session
from idp.accounts.sessions import ProvedAgain
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.credentials import code, give_codes, give_totp
from tests.support.flows import draw, row_of

pytestmark = pytest.mark.usefixtures("acme")


def flow(**settings: Any) -> None:
    """Publish a flow that signs in if needed, and then asks again."""
    again = {"stage": "reauthenticate", "settings": settings}
    draw("identification", "password", "login", again, "device_code", "consent", "finish")


def test_it_asks_after_max_age_and_not_before(door: Doors, clock: time_machine.Traveller) -> None:
    """Ten minutes unless the flow says otherwise; a proof that was given in this very flow counts."""
    flow()
    browser = door()
    assert browser.sign_in().step == "device_code"
    clock.shift(timedelta(minutes=9, seconds=59))
    assert browser.page().step == "device_code"
    clock.shift(1)
    seen = browser.page()
    assert (seen.step, seen.title) == ("reauthenticate", "Confirm it's you")
    assert 'autocomplete="username" value="alice"' in seen.text
    done = seen.submit(password="alice-password-1")
    assert done.step == "device_code"
    session, facts = Session.objects.get(), row_of(done).state["facts"]
    assert (session.authenticated_at, session.methods) == (timezone.now(), ["pwd"])
    assert facts["proof"]["at"] == facts["signed_in"]["at"] == timezone.now().isoformat()
    assert Event.objects.filter(kind="session.proved_again", actor="alice").count() == 1
    assert browser.page().step == "device_code"
    clock.shift(timedelta(minutes=10))
    assert browser.page().step == "reauthenticate"


@pytest.mark.usefixtures("clock")
def test_zero_asks_always(door: Doors) -> None:
    """It asks even right after the password."""
    flow(max_age="0s")
    browser = door()
    assert browser.sign_in().step == "reauthenticate"
    assert browser.page().submit(password="alice-password-1").step == "device_code"
    assert browser.page().step == "reauthenticate"


@pytest.mark.usefixtures("clock")
def test_a_wrong_password_proves_nothing_and_must_wait(door: Doors) -> None:
    """The session has its own budget: a person who took over an open browser cannot guess on here.

    Other people use none of it up.
    """
    flow(max_age="0s")
    browser = door()
    seen = browser.sign_in()
    began = Session.objects.get().authenticated_at
    for wrong in ("wrong", "alice-password-1 ", "bob-password-22"):
        assert seen.submit(password=wrong).step == "reauthenticate"
    assert seen.submit(code=code()).step == "reauthenticate"
    assert seen.submit(password="still wrong").step == "reauthenticate"
    assert seen.submit(password="alice-password-1").status == 429
    assert Session.objects.filter(authenticated_at=began).count() == 1


def test_a_person_without_a_password_enters_a_code(door: Doors, clock: time_machine.Traveller) -> None:
    """It works once; the session's methods then say so."""
    flow(max_age="0s")
    browser = door()
    browser.sign_in()
    give_totp()
    Person.objects.filter(username="alice").update(password="")
    seen = browser.page()
    assert 'name="password"' not in seen.text
    assert seen.submit(code=code(30)).step == "reauthenticate"
    now = code()
    assert seen.submit(code=now).step == "device_code"
    assert Session.objects.get().methods == ["pwd", "otp"]
    assert "already used" in browser.page().submit(code=now).text
    clock.shift(30)
    seen = browser.page()
    assert [seen.submit(code="000000").status for _ in range(5)][-1] == 429


@pytest.mark.usefixtures("clock")
def test_a_person_with_nothing_left_is_refused(door: Doors) -> None:
    """There is neither a password nor an unused code.

    Where the page was open already, no answer to it passes.
    """
    flow(max_age="0s")
    browser = door()
    browser.sign_in()
    codes = give_codes()
    Person.objects.filter(username="alice").update(password="")
    seen = browser.page()
    assert (seen.step, "Recovery code" in seen.text) == ("reauthenticate", True)
    Credential.objects.update(used_at=timezone.now())
    assert seen.submit(code=codes[0]).title == "Access denied"
    assert browser.page().title == "Access denied"
    assert not Event.objects.filter(kind="session.proved_again").exists()


def test_a_password_alone_is_not_enough_with_a_second_factor(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """All that the account holds and that is too old is asked for at once.

    One wrong answer uses nothing up and proves nothing.
    """
    give_totp()
    draw("identification", "password", "totp", "login", "reauthenticate", "device_code", "consent", "finish")
    browser = door()
    assert browser.sign_in().submit(code=code()).step == "device_code"
    clock.shift(timedelta(hours=11))
    seen = browser.page()
    assert ('name="password"' in seen.text, 'name="code"' in seen.text) == (True, True)
    now = code()
    for answer in (
        {"password": "alice-password-1"},
        {"password": "alice-password-1", "code": "000000"},
        {"password": "wrong", "code": now},
    ):
        assert seen.submit(**answer).step == "reauthenticate", answer
    clock.shift(30)
    assert not Event.objects.filter(kind="session.proved_again").exists()
    done = seen.submit(password="alice-password-1", code=code())
    assert done.step == "device_code"
    facts = row_of(done).state["facts"]
    assert facts["proof"]["at"] == facts["second_factor"]["at"] == timezone.now().isoformat()
    assert browser.page().step == "device_code"


def test_each_proof_has_its_own_moment(door: Doors, clock: time_machine.Traveller) -> None:
    """A second factor that was shown a minute ago makes no old password young, nor the other way round."""
    give_totp()
    ask = {"stage": "totp", "when": "!second_factor.present"}
    draw("identification", "password", "login", ask, "reauthenticate", "device_code", "consent", "finish")
    browser = door()
    seen = browser.sign_in()
    clock.shift(timedelta(minutes=9))
    assert seen.submit(code=code()).step == "device_code"
    clock.shift(timedelta(minutes=2))
    seen = browser.page()
    assert ('name="password"' in seen.text, 'name="code"' in seen.text) == (True, False)
    assert seen.submit(password="alice-password-1").step == "device_code"
    clock.shift(timedelta(minutes=9))
    seen = browser.page()
    assert ('name="password"' in seen.text, 'name="code"' in seen.text) == (False, True)


def test_a_recovery_code_does_where_the_phone_is_lost(door: Doors, clock: time_machine.Traveller) -> None:
    """In the same field as the app's."""
    give_totp()
    codes = give_codes()
    flow()
    browser = door()
    browser.sign_in()
    clock.shift(timedelta(hours=1))
    seen = browser.page()
    assert "or recovery code" in seen.text
    assert seen.submit(password="alice-password-1", code=codes[0].upper()).step == "device_code"
    assert Credential.objects.get(kind="recovery_code", used_at__isnull=False)


def test_any_is_content_with_the_password(door: Doors, clock: time_machine.Traveller) -> None:
    """Where a flow says so."""
    give_totp()
    flow(factors="any")
    browser = door()
    assert browser.sign_in().step == "device_code"
    clock.shift(timedelta(hours=1))
    seen = browser.page()
    assert 'name="code"' not in seen.text
    assert seen.submit(password="alice-password-1").step == "device_code"


def test_a_session_older_than_the_column_counts_as_proved_when_it_was_signed_in(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """Each of its methods at that moment; a new proof of one leaves the others as old as they are."""
    give_totp()
    draw("identification", "password", "totp", "login", "reauthenticate", "device_code", "consent", "finish")
    browser = door()
    browser.sign_in().submit(code=code())
    Session.objects.update(proofs={})
    assert browser.page().step == "device_code"
    clock.shift(timedelta(minutes=11))
    ProvedAgain(Session.objects.get().pk, Session.objects.get().person_id, "pwd").apply()
    seen = browser.page()
    assert ('name="password"' in seen.text, 'name="code"' in seen.text) == (False, True)


@pytest.mark.usefixtures("clock")
def test_it_proves_no_one_whose_session_ended_or_who_was_deactivated(acme: Tenant, door: Doors) -> None:
    """CVE-2025-29928, CVE-2025-53942: the right password does not help."""
    flow(max_age="0s")
    changes: list[Callable[[], int]] = [
        lambda: Session.objects.update(ended_at=timezone.now()),
        lambda: Person.objects.update(is_active=False),
    ]
    for change in changes:
        seen = door().sign_in()
        change()
        assert seen.submit(password="alice-password-1").title == "You were signed out"
    assert not Event.objects.filter(kind="session.proved_again").exists()
