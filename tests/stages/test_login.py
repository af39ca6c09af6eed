"""login: opens a session for the person who was proved, under a key that no one knew before."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings as installation
from django.utils import timezone
from pydantic import ValidationError

from idp.accounts.models import Person, Session
from idp.accounts.sessions import SignIn
from idp.foundation.sealing import digest
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from stages.login import Login
from tests.support.client import Door, Doors
from tests.support.flows import draw


def key(browser: Door) -> str:
    """The session's key in the browser's cookie."""
    return str(browser.http.cookies["foyer_session"].value)


def test_a_session_begins_with_a_new_key(acme: Tenant, door: Doors) -> None:
    """No fixation: what the cookie said before is not what it says after, and only its hash is stored."""
    browser = door()
    browser.http.cookies["foyer_session"] = planted = "0" * 64
    browser.sign_in()
    session = Session.objects.get()
    assert key(browser) != planted
    assert session.key_hash == digest(key(browser))
    assert (session.person.username, session.methods, session.ended_at) == ("alice", ["pwd"], None)


def test_signing_in_again_gives_the_same_session_a_new_key(acme: Tenant, door: Doors) -> None:
    """The old key opens nothing any more; the row stays, so that the other tabs go on."""
    browser = door()
    browser.sign_in()
    old, row = key(browser), Session.objects.get().pk
    browser.sign_in(path="/device?switch")
    assert key(browser) != old
    assert list(Session.objects.values_list("pk", flat=True)) == [row]
    thief = door()
    thief.http.cookies["foyer_session"] = old
    assert thief.page().step == "identification"


def test_another_person_in_the_same_browser_ends_the_first_session(acme: Tenant, door: Doors) -> None:
    """One browser, one person."""
    browser = door()
    browser.sign_in()
    browser.sign_in("bob", "bob-password-22", path="/device?switch")
    living = Session.objects.filter(ended_at=None)
    assert [session.person.username for session in living] == ["bob"]


def test_the_cookie_is_kept_from_scripts_and_other_sites(door: Doors) -> None:
    """HttpOnly and SameSite; over TLS also Secure and bound to the host."""
    browser = door()
    browser.sign_in()
    cookie = browser.http.cookies["foyer_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"], cookie["path"]) == (
        True,
        "Lax",
        "",
        "/",
    )


def test_a_session_counts_in_its_tenant_only(tenants: dict[str, Tenant], door: Doors) -> None:
    """The same key is worth nothing at the other tenant's host."""
    browser, other_browser = door(), door("other.test")
    browser.sign_in()
    other_browser.http.cookies["foyer_session"] = key(browser)
    assert other_browser.page().step == "identification"
    with tenant_scope(tenants["other"]):
        assert not Session.objects.exists()


@pytest.mark.usefixtures("third_party")
def test_both_factors_stand_in_the_session(acme: Tenant, door: Doors) -> None:
    """D39: what was used to sign in is what the tokens will say."""
    draw("identification", "password", "word", "login", "device_code", "consent", "finish")
    door().sign_in().submit(word="sesame")
    assert Session.objects.get().methods == ["pwd", "otp"]


def test_a_session_lasts_as_long_as_its_flow_says(
    tenants: dict[str, Tenant], acme: Tenant, door: Doors
) -> None:
    """A shorter session ends by itself, in the flow that says so only.

    The other tenant's session lasts as long as any.
    """
    draw(
        "identification",
        "password",
        {"stage": "login", "settings": {"session_lifetime": "15m"}},
        "device_code",
        "consent",
        "finish",
    )
    browser, other_browser, began = door(), door("other.test"), timezone.now()
    browser.sign_in()
    other_browser.sign_in()
    with time_machine.travel(began + timedelta(minutes=14)):
        assert (browser.page().step, other_browser.page().step) == ("device_code", "device_code")
    with time_machine.travel(began + timedelta(minutes=16)):
        assert (browser.page().step, other_browser.page().step) == ("identification", "device_code")


def test_no_flow_makes_sessions_longer_than_the_installation(acme: Tenant) -> None:
    """The limit is checked at the setting, and again where sessions begin, for every caller."""
    longest = timedelta(seconds=installation.SESSION_LIFETIME)
    assert Login.Settings().session_lifetime == longest
    for said in ("30s", "13h", "0s", "30d", "soon"):
        with pytest.raises(ValidationError):
            Login.Settings.model_validate({"session_lifetime": said})
    opened = SignIn(
        Person.objects.get(username="alice").pk, ("pwd",), None, lifetime=installation.SESSION_LIFETIME * 9
    ).apply()
    session = Session.objects.get(pk=opened.session)
    assert session.expires_at == session.authenticated_at + longest
