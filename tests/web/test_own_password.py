"""The page on which people change their own password, and the one that signs them out everywhere else."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from idp.accounts.models import Person, Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.credentials import code, give_totp
from tests.support.flows import draw
from tests.support.oauth import EVERYTHING, refresh, tokens_of, userinfo

pytestmark = pytest.mark.usefixtures("acme")
OLD, NEW = "alice-password-1", "a new one, with spaces "


def _password(name: str = "alice", tenant: str = "acme") -> str:
    return Person.unscoped.get(username=name, tenant__name=tenant).password


def test_the_front_page_leads_there(door: Doors) -> None:
    """A signed-in person gets a link; others sign in first and return."""
    browser = door()
    assert 'href="/password"' not in browser.page("/").text
    response = browser.http.get("/password")
    assert response["Location"] == "/sign-in?next=/password"
    browser.sign_in()
    page = browser.page("/")
    assert 'href="/password"' in page.text
    assert 'href="/sign-out-everywhere"' in page.text


@pytest.mark.parametrize("path", ["/password", "/sign-out-everywhere"])
def test_all_else_ends(door: Doors, path: str) -> None:
    """B15: this browser continues under another session key.

    A copy of its cookie, other browsers, tokens and approved devices end.
    """
    browser, copy, elsewhere, device = door(), door(), door(), door()
    neighbour = door("other.test")
    neighbour.sign_in()
    browser.sign_in()
    elsewhere.sign_in()
    started, waiting = device.start(scope=EVERYTHING), device.start(scope=EVERYTHING)
    elsewhere.approve(started)
    tokens = tokens_of(device.poll(started))
    elsewhere.approve(waiting)
    copy.http.cookies["foyer_session"] = browser.http.cookies["foyer_session"].value
    assert "Signed in as" in copy.page("/").text
    page = browser.page(path)
    response = browser.http.post(path, {"new_password": NEW}, follow=True)
    assert (page.status, response.status_code) == (200, 200)
    assert "All other sessions were signed out" in response.content.decode()
    assert "Signed in as" in browser.page("/").text
    for ended in (copy, elsewhere):
        assert "Signed in as" not in ended.page("/").text
    assert userinfo(device, tokens["access_token"]).status_code == 401
    assert refresh(device, tokens["refresh_token"]).status_code == 400
    assert device.poll(waiting).status_code == 400
    assert "Signed in as" in neighbour.page("/").text
    fresh = device.start(scope=EVERYTHING)
    browser.approve(fresh)
    assert device.poll(fresh).status_code == 200, "later approvals of this browser are valid"
    assert door().sign_in(password=NEW if path == "/password" else OLD).step == "device_code"
    assert door().sign_in(password=OLD if path == "/password" else NEW).step == "password"


def test_it_is_recorded(door: Doors) -> None:
    """The event says who changed it, and never what to."""
    browser = door()
    browser.sign_in()
    browser.http.post("/password", {"new_password": NEW})
    event = Event.objects.get(kind="person.password_changed")
    assert (event.actor, event.target) == ("alice", "alice")
    assert NEW.strip() not in str(list(Event.objects.values()))


@pytest.mark.parametrize("weak", ["a", "password12", "alice@acme.test", ""])
def test_the_rules_for_passwords_hold(door: Doors, weak: str) -> None:
    """A weak password changes nothing and is reported at the field."""
    browser, before = door(), _password()
    browser.sign_in()
    response = browser.http.post("/password", {"new_password": weak})
    assert 'aria-invalid="true"' in response.content.decode()
    assert _password() == before
    assert Session.objects.filter(ended_at=None).count() == 1


def test_a_stolen_session_is_not_enough(door: Doors, clock: time_machine.Traveller) -> None:
    """After ten minutes the page asks for every credential of the account.

    It accepts no new password in the same form.
    """
    draw(
        "identification",
        "password",
        {"stage": "totp", "settings": {"missing": "skip"}},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    plain, guarded, before = door(), door(), _password()
    plain.sign_in("bob", "bob-password-22")
    give_totp()
    guarded.sign_in().submit(code=code())
    clock.shift(timedelta(minutes=10))
    for browser, fields in ((plain, (True, False)), (guarded, (True, True))):
        page = browser.page("/password")
        assert (page.title, ('name="password"' in page.text, 'name="code"' in page.text)) == (
            "Confirm it's you",
            fields,
        )
        assert browser.http.post("/password", {"new_password": NEW}).status_code == 403
    assert guarded.http.post("/password", {"password": OLD, "new_password": NEW}).status_code == 403
    assert _password() == before
    asked = guarded.http.post("/password", {"password": OLD, "code": code(), "new_password": NEW})
    assert (asked.status_code, asked["Location"], _password()) == (303, "/password", before)
    assert guarded.http.post("/password", {"new_password": NEW}).status_code == 303
    assert _password() != before


def test_another_sites_form_is_refused(door: Doors) -> None:
    """B19: the site's CSRF token is required."""
    browser = door()
    browser.sign_in()
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="acme.test")
    strict.cookies.update(browser.http.cookies)
    for path in ("/password", "/sign-out-everywhere"):
        assert strict.post(path, {"new_password": NEW}).status_code == 403
    assert Session.objects.filter(ended_at=None).count() == 1


def test_looking_ends_nothing(acme: Tenant, door: Doors) -> None:
    """GET and HEAD end no session."""
    browser, elsewhere = door(), door()
    browser.sign_in()
    elsewhere.sign_in()
    for path in ("/password", "/sign-out-everywhere"):
        assert browser.http.get(path).status_code == browser.http.head(path).status_code == 200
    assert Session.objects.filter(ended_at=None).count() == 2


def test_a_person_without_a_credential(door: Doors, clock: time_machine.Traveller) -> None:
    """A person without a credential is asked to sign in again, and changes nothing."""
    browser = door()
    browser.sign_in()
    Person.objects.filter(username="alice").update(password="")
    clock.shift(timedelta(hours=1))
    page = browser.page("/password")
    assert (page.status, "no way to confirm your identity" in page.text) == (403, True)
    assert browser.http.post("/password", {"password": "", "new_password": NEW}).status_code == 403
    assert _password() == ""
