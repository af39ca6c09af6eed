"""reauthenticate: asks when the proof is too old and not before, and moves the session's time on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from idp.accounts.models import Person, Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.engine import draw, row_of
from tests.factors import code, give_codes, give_totp
from tests.kit import Door

Doors = Callable[..., Door]
pytestmark = pytest.mark.usefixtures("acme")


def flow(**settings: Any) -> None:
    """Signing in if need be, then being asked again."""
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
    assert (seen.step, seen.title) == ("reauthenticate", "Is it still you?")
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
    """Even right after the password."""
    flow(max_age="0s")
    browser = door()
    assert browser.sign_in().step == "reauthenticate"
    assert browser.page().submit(password="alice-password-1").step == "device_code"
    assert browser.page().step == "reauthenticate"


@pytest.mark.usefixtures("clock")
def test_a_wrong_password_proves_nothing_and_must_wait(door: Doors) -> None:
    """The same budget as signing in: whoever took over an open browser may not guess on here."""
    flow(max_age="0s")
    browser = door()
    seen = browser.sign_in()
    began = Session.objects.get().authenticated_at
    for wrong in ("wrong", "alice-password-1 ", "bob-password-22"):
        assert seen.submit(password=wrong).step == "reauthenticate"
    assert seen.submit(code=code()).step == "reauthenticate"
    assert door().sign_in(password="wrong").status == 200
    assert seen.submit(password="alice-password-1").status == 429
    assert Session.objects.filter(authenticated_at=began).count() == 1


def test_whoever_has_no_password_gives_a_code(door: Doors, clock: time_machine.Traveller) -> None:
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
    assert "used already" in browser.page().submit(code=now).text
    clock.shift(30)
    seen = browser.page()
    assert [seen.submit(code="000000").status for _ in range(5)][-1] == 429


@pytest.mark.usefixtures("clock")
def test_whoever_has_neither_is_refused(door: Doors) -> None:
    """A recovery code is nothing to be asked for again."""
    flow(max_age="0s")
    browser = door()
    browser.sign_in()
    give_codes()
    Person.objects.filter(username="alice").update(password="")
    assert browser.page().title == "You cannot go on"


@pytest.mark.usefixtures("clock")
def test_it_proves_nobody_whose_session_ended_or_who_was_deactivated(acme: Tenant, door: Doors) -> None:
    """CVE-2025-29928, CVE-2025-53942: with the right password."""
    flow(max_age="0s")
    for change in (lambda: Session.objects.update(ended_at=timezone.now()), lambda: Person.objects.update(is_active=False)):
        seen = door().sign_in()
        change()
        assert seen.submit(password="alice-password-1").title == "You were signed out"
    assert not Event.objects.filter(kind="session.proved_again").exists()
