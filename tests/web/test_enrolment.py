"""The authentication methods in tokens: a second factor that was just set up is not claimed."""

from datetime import timedelta

import pytest
import time_machine

from idp.accounts.models import Credential, Session
from tests.support.client import Doors, Seen
from tests.support.credentials import code, give_totp, secret_on
from tests.support.flows import draw
from tests.support.oauth import claims_of, tokens_of

pytestmark = pytest.mark.usefixtures("acme", "clock")
CONNECT = ("device_code", "consent", "finish")
NEEDED = {"id": "needed", "stage": "deny", "when": "!second_factor.present"}


def _answer(seen: Seen) -> Seen:
    """Set up what the page shows."""
    return (
        seen.submit(saved="yes")
        if "I've saved my codes" in seen.text
        else seen.submit(code=code(0, secret_on(seen)))
    )


def _claims(door: Doors, seen: Seen) -> tuple[str, list[str]]:
    """Return ``acr`` and ``amr`` of a device that is connected in this browser, which is at the code step."""
    assert seen.step == "device_code", seen.text
    device = door()
    started = device.start()
    seen.submit(user_code=started.user_code).submit(decision="approve")
    claims = claims_of(tokens_of(device.poll(started))["id_token"])
    return claims["acr"], claims["amr"]


@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_setting_up_in_the_step_that_asks_is_no_second_factor(door: Doors, kind: str) -> None:
    """D39, O10: a factor that was just set up is no second factor of this sign-in.

    This holds before and after the session starts.
    """
    step = {"stage": kind, "settings": {"missing": "set_up"}}
    for steps in ((step, "login"), ("login", step)):
        Credential.objects.all().delete()
        draw("identification", "password", *steps, *CONNECT)
        assert _claims(door, _answer(door().sign_in())) == ("single", ["pwd"])


@pytest.mark.parametrize("kind", ["totp_setup", "recovery_code_setup"])
def test_nor_is_setting_up_while_signed_in(door: Doors, kind: str) -> None:
    """D39, O10: setting up a factor at /credentials is no second factor either."""
    draw("identification", "password", "login", kind, *CONNECT)
    assert _claims(door, _answer(door().sign_in())) == ("single", ["pwd"])


def test_a_code_that_is_asked_for_later_is_one(door: Doors, clock: time_machine.Traveller) -> None:
    """D39, O10: a code that is requested later is a second factor, even in the same session."""
    draw(
        "identification", "password", {"stage": "totp", "settings": {"missing": "set_up"}}, "login", *CONNECT
    )
    browser = door()
    seen = browser.sign_in()
    secret = secret_on(seen)
    assert _claims(door, seen.submit(code=code(0, secret))) == ("single", ["pwd"])
    clock.shift(30)
    asked = browser.page()
    assert asked.step == "totp"
    assert _claims(door, asked.submit(code=code(0, secret))) == ("mfa", ["pwd", "otp"])


def test_a_flow_that_needs_one_accepts_an_app_that_was_just_set_up(door: Doors) -> None:
    """On first use a code of the new app passes; recovery codes that were only saved prove nothing."""
    app, codes = ({"stage": kind, "settings": {"missing": "set_up"}} for kind in ("totp", "recovery_code"))
    draw("identification", "password", app, NEEDED, "login", *CONNECT)
    assert _claims(door, _answer(door().sign_in())) == ("single", ["pwd"])
    Credential.objects.all().delete()
    draw("identification", "password", codes, NEEDED, "login", *CONNECT)
    assert _answer(door().sign_in()).title == "Access denied"


@pytest.mark.parametrize("kind", ["totp_setup", "recovery_code_setup"])
def test_an_old_session_sets_nothing_up(door: Doors, clock: time_machine.Traveller, kind: str) -> None:
    """In every flow an old session's password and second factor do not suffice to set up a factor."""
    draw(
        "identification",
        "password",
        {"stage": "totp", "settings": {"missing": "skip"}},
        "login",
        kind,
        *CONNECT,
    )
    plain = door()
    assert plain.sign_in("bob", "bob-password-22").step == kind
    give_totp()
    guarded = door()
    assert guarded.sign_in().submit(code=code()).step == kind
    clock.shift(timedelta(minutes=11))
    for browser in (plain, guarded):
        seen = browser.page()
        assert (seen.title, "too long ago" in seen.text) == ("Access denied", True)
    assert Session.objects.filter(ended_at=None).count() == 2
