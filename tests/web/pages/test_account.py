"""The front page and signing out."""

import re

import pytest
from django.test import Client

from idp.accounts.models import Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors


def test_the_front_page_leads_to_the_devices_page(door: Doors) -> None:
    """The front page links to this tenant's device page, with or without a session."""
    for host, title in (("acme.test", "Acme"), ("other.test", "Other")):
        page = door(host).page("/")
        assert (page.status, page.title) == (200, f"<bdi>{title}</bdi>")
        assert 'href="/device"' in page.text
        assert "Signed in as" not in page.text


def test_a_signed_in_person_sees_it_and_can_sign_out(acme: Tenant, door: Doors) -> None:
    """Signing out ends the session in the table with an event and deletes the cookie.

    A copy of the cookie is worthless.
    """
    browser, copy = door(), door()
    browser.sign_in()
    copy.http.cookies["foyer_session"] = browser.http.cookies["foyer_session"].value
    assert "Signed in as" in browser.page("/").text
    response = browser.http.post("/sign-out")
    assert response.status_code in (302, 303)
    assert browser.http.cookies["foyer_session"].value == ""
    assert "Signed in as" not in browser.page("/").text
    assert copy.page().step == "identification"
    assert Session.objects.get().ended_at is not None
    assert Event.objects.filter(kind="session.ended", actor="alice").count() == 1


def test_signing_out_is_a_post_of_our_own_page(acme: Tenant, door: Doors) -> None:
    """Neither a link nor another site's form signs a person out."""
    browser = door()
    browser.sign_in()
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="acme.test")
    strict.cookies.update(browser.http.cookies)
    assert strict.get("/sign-out").status_code == 404, "there is no flow for it, and a GET ends nothing"
    assert strict.post("/sign-out").status_code == 403
    assert Session.objects.get().ended_at is None
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', strict.get("/").content.decode())
    assert token
    assert strict.post("/sign-out", {"csrfmiddlewaretoken": token[1]}).status_code in (302, 303)
    assert Session.objects.get().ended_at is not None


def test_signing_out_twice_and_without_a_session(door: Doors) -> None:
    """Signing out without a session does nothing and is no error."""
    assert door().http.post("/sign-out").status_code in (302, 303)


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
@pytest.mark.parametrize("path", ["/", "/sign-out", "/device", "/recover/x"])
def test_a_wrong_method_is_405_with_a_page(door: Doors, path: str, method: str) -> None:
    """The page says which methods are allowed."""
    response = getattr(door().http, method)(path)
    assert response.status_code == 405
    assert response["Allow"]
    assert b"<h1" in response.content
