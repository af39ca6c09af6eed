"""Cookies: hidden from scripts and other sites, and over TLS bound to the host and to TLS."""

from http.cookies import Morsel
from typing import Any

import pytest

from idp.tenancy.models import Tenant
from tests.support.client import Door, Doors, Seen
from tests.web.console.pages import entered

HOSTS = ["acme.test", "other.test"]


def over_tls(browser: Door) -> Door:
    """Put the browser behind a TLS proxy; its requests name their page, as those of browsers do."""
    send = browser.http.generic

    def sent(*about: Any, **more: Any) -> Any:
        return send(*about, **{**more, "secure": True, "HTTP_ORIGIN": f"https://{browser.host}"})

    browser.http.generic = sent  # type: ignore[method-assign]  # for every verb of the client
    return browser


def entered_over_tls(tenant: Tenant) -> Door:
    """Return an administrator's door at the console, which checks CSRF like a browser's."""
    admin = over_tls(entered("acme.test", tenant, "admin"))
    admin.http.cookies["__Host-foyer_session"] = admin.http.cookies.pop("foyer_session").value
    admin.http.handler.enforce_csrf_checks = True
    return admin


def attributes(cookie: Morsel[str]) -> dict[str, object]:
    """Return the attributes that decide who receives the cookie."""
    return {name: cookie[name] for name in ("secure", "httponly", "samesite", "path", "domain")}


@pytest.mark.usefixtures("tenants")
@pytest.mark.parametrize("host", HOSTS)
def test_over_tls_every_cookie_is_bound_to_its_host(door: Doors, host: str) -> None:
    """The cookies of sessions, browsers, forms and messages are host-bound, and a sign-in works with them."""
    browser = over_tls(door(host))
    assert browser.sign_in().step == "device_code"
    browser.page("/")
    cookies = browser.http.cookies
    assert {"__Host-foyer_session", "__Host-foyer_browser", "__Host-foyer_known", "__Host-foyer_csrf"} <= set(
        cookies
    )
    for name, cookie in cookies.items():
        assert name.startswith("__Host-")
        assert attributes(cookie) == {
            "secure": True,
            "httponly": True,
            "samesite": "Lax",
            "path": "/",
            "domain": "",
        }


@pytest.mark.usefixtures("tenants")
@pytest.mark.parametrize("host", HOSTS)
def test_over_plain_http_they_have_their_plain_names(door: Doors, host: str) -> None:
    """Over plain HTTP, where a browser refuses ``__Host-``, cookies have their plain names."""
    browser = door(host)
    browser.sign_in()
    browser.page("/")
    assert {"foyer_session", "foyer_browser", "foyer_known", "foyer_csrf"} <= set(browser.http.cookies)
    for cookie in browser.http.cookies.values():
        assert attributes(cookie) == {
            "secure": "",
            "httponly": True,
            "samesite": "Lax",
            "path": "/",
            "domain": "",
        }


def test_over_tls_what_a_sibling_host_can_set_is_not_read(acme: Tenant, door: Doors) -> None:
    """Cookies that a sibling host can set are ignored over TLS.

    These are the session, the browser of a run, the secret of a form and a message of the console.
    """
    victim, attacker = over_tls(door()), over_tls(door())
    attacker.sign_in()
    for name in ("session", "browser", "known"):
        victim.http.cookies[f"foyer_{name}"] = attacker.http.cookies[f"__Host-foyer_{name}"].value
    seen = victim.page()
    assert seen.step == "identification"
    assert victim.page(attacker.page().path).status == 404
    admin = entered_over_tls(acme)
    admin.http.cookies["foyer_told"] = "Call%20this%20number"
    page = Seen(admin, admin.http.get("/console/"), "/console/")
    assert page.status == 200
    assert "Call this number" not in page.text
    secret = admin.http.cookies.pop("__Host-foyer_csrf").value
    admin.http.cookies["foyer_csrf"] = secret
    assert admin.http.post("/console/first-steps/dismiss", page.hidden).status_code == 403
    admin.http.cookies["__Host-foyer_csrf"] = secret
    assert admin.http.post("/console/first-steps/dismiss", page.hidden).status_code == 303


def test_cookies_of_others_stay_as_they_are(acme: Tenant) -> None:
    """A proxy's own cookie is not changed, with any prefix.

    The console's message is shown once, and its cookie is removed.
    """
    admin = entered_over_tls(acme)
    admin.http.cookies["__Host-proxy"] = admin.http.cookies["proxy"] = "theirs"
    admin.http.cookies["__Host-foyer_told"] = "Saved."
    assert "Saved." in Seen(admin, admin.http.get("/console/"), "/console/").text
    assert admin.http.cookies["__Host-foyer_told"].value == ""
    assert admin.http.cookies["__Host-foyer_told"]["max-age"] == 0
    assert admin.http.cookies["proxy"].value == "theirs"
