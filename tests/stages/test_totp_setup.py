"""totp_setup: an app is stored once it was proven, and replaces another only after a second factor."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from idp.accounts.models import Credential, Person, Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors, Seen
from tests.support.credentials import SECRET, code, give_codes, give_totp, kinds, secret_on
from tests.support.flows import draw, facts_of

pytestmark = pytest.mark.usefixtures("acme", "clock")
ASK = {"stage": "totp", "settings": {"missing": "skip"}}


def flow(*before: str | dict[str, Any]) -> None:
    """Signing in, then setting up."""
    draw("identification", "password", "login", *before, "totp_setup", "device_code", "consent", "finish")


def test_the_first_one_is_stored_once_a_code_proved_it(door: Doors) -> None:
    """A wrong code stores nothing; the right one does.

    The session still knows the password alone: enrolling is not authenticating.
    """
    flow()
    browser = door()
    seen = browser.sign_in()
    assert (seen.step, seen.title) == ("totp_setup", "Set up your authenticator app")
    secret = secret_on(seen)
    assert secret_on(browser.page(seen.path)) == secret
    wrong = seen.submit(code=code(50, secret))
    assert ("Incorrect code." in wrong.text, secret_on(wrong), kinds()) == (True, secret, [])
    done = seen.submit(code=code(0, secret))
    assert (done.step, "credential" in facts_of(done), kinds()) == ("device_code", True, ["totp"])
    assert Session.objects.get().methods == ["pwd"]
    recorded = Event.objects.get(kind="person.credential_added")
    assert (recorded.actor, recorded.target, recorded.data) == (
        "alice",
        "alice",
        {"credential": "totp", "first": True},
    )
    assert Session.objects.filter(ended_at=None).exists()


def test_each_visit_shows_another_secret(door: Doors) -> None:
    """A secret that another person looked at before is never the one that is stored later."""
    flow()
    browser = door()
    assert secret_on(browser.sign_in()) != secret_on(browser.page())


def test_the_old_one_works_until_the_new_one_is_proven(door: Doors, clock: time_machine.Traveller) -> None:
    """Opening the page and wrong codes change nothing; afterwards the old app no longer works."""
    give_totp()
    flow(ASK)
    seen = door().sign_in().submit(code=code())
    new = secret_on(seen)
    seen.submit(code=code(50, new))
    assert Credential.objects.get().secret == SECRET
    clock.shift(30)
    assert secret_on(door().sign_in().submit(code=code())) != new
    clock.shift(30)
    assert seen.submit(code=code(0, new)).step == "device_code"
    assert Credential.objects.get().secret == new
    recorded = Event.objects.get(kind="person.credential_replaced")
    assert recorded.data == {"credential": "totp", "first": False}
    clock.shift(30)
    later = door().sign_in()
    assert later.submit(code=code(0, SECRET)).step == "totp"
    assert later.submit(code=code(0, new)).step == "totp_setup"


@pytest.mark.parametrize("give", [give_totp, give_codes])
def test_a_password_alone_does_not_change_what_guards_the_account(
    door: Doors, give: Callable[..., object]
) -> None:
    """With any design of the flow, a person with a second factor must have shown it."""
    give()
    before = list(Credential.objects.order_by("pk").values("pk", "secret", "lookup"))
    flow()
    seen = door().sign_in()
    assert (seen.title, "first sign in with" in seen.text) == ("Access denied", True)
    assert list(Credential.objects.order_by("pk").values("pk", "secret", "lookup")) == before


def test_a_page_opened_before_there_was_one_does_not_replace_it(door: Doors) -> None:
    """The domain function checks again when it stores.

    A person with the password who waits on the set-up page gets nothing once the owner has an app.
    """
    flow()
    waiting, owner = door().sign_in(), door().sign_in()
    assert owner.submit(code=code(0, secret_on(owner))).step == "device_code"
    late = waiting.submit(code=code(0, secret_on(waiting)))
    assert (late.title, Credential.objects.get().secret) == ("That didn't work", secret_on(owner))


def test_wrong_codes_must_wait(door: Doors) -> None:
    """As everywhere."""
    flow()
    seen = door().sign_in()
    assert [seen.submit(code="000000").status for _ in range(6)][-1] == 429


def test_another_tenant_is_not_touched(other: Tenant, door: Doors) -> None:
    """Alice here is not alice there."""
    flow()
    seen = door().sign_in()
    seen.submit(code=code(0, secret_on(seen)))
    assert not Credential.unscoped.filter(tenant=other).exists()


def _ended(page: Seen) -> None:
    Session.objects.update(ended_at="2026-01-01T00:00Z")


def _inactive(page: Seen) -> None:
    Person.objects.filter(username="alice").update(is_active=False)


@pytest.mark.parametrize("happens", [_ended, _inactive])
def test_nothing_is_stored_for_a_person_who_is_no_longer_signed_in(
    door: Doors, happens: Callable[[Seen], None]
) -> None:
    """CVE-2025-29928, CVE-2025-53942: a person who signed out or was deactivated stores no app."""
    flow()
    seen = door().sign_in()
    happens(seen)
    assert seen.submit(code=code(0, secret_on(seen))).title == "You were signed out"
    assert kinds() == []
