"""Cookies: kept from scripts and other sites, and over TLS from other hosts and from plain HTTP."""

from collections.abc import Callable
from http.cookies import Morsel
from typing import Any

import pytest

from idp.tenancy.models import Tenant
from tests.kit import Door, Seen
from tests.web.console.pages import entered

Doors = Callable[..., Door]
HOSTS = ["acme.test", "other.test"]


def over_tls(browser: Door) -> Door:
    """The same browser behind a TLS proxy; its requests say from which page they come, as browsers do."""
    send = browser.http.generic

    def sent(*about: Any, **more: Any) -> Any:
        return send(*about, **{**more, "secure": True, "HTTP_ORIGIN": f"https://{browser.host}"})

    browser.http.generic = sent  # type: ignore[method-assign]
    return browser


def entered_over_tls(tenant: Tenant) -> Door:
    """An administrator in the console, whose forms are looked at as a browser's are."""
    admin = over_tls(entered("acme.test", tenant, "admin"))
    admin.http.cookies["__Host-foyer_session"] = admin.http.cookies.pop("foyer_session").value
    admin.http.handler.enforce_csrf_checks = True
    return admin


def attributes(cookie: Morsel[str]) -> dict[str, object]:
    """What decides who gets it back."""
    return {name: cookie[name] for name in ("secure", "httponly", "samesite", "path", "domain")}


@pytest.mark.usefixtures("tenants")
@pytest.mark.parametrize("host", HOSTS)
def test_over_tls_every_cookie_is_bound_to_its_host(door: Doors, host: str) -> None:
    """The session's, the browser's and those of forms and notices alike; and one signs in with them."""
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
    """A browser takes no ``__Host-`` there."""
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
    """Neither a session, nor the browser of a run, nor the secret of a form, nor a notice of the console."""
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
    """A proxy's own cookie is none of ours, whatever its prefix; the console's notice is told once
    and goes.
    """
    admin = entered_over_tls(acme)
    admin.http.cookies["__Host-proxy"] = admin.http.cookies["proxy"] = "theirs"
    admin.http.cookies["__Host-foyer_told"] = "Saved."
    assert "Saved." in Seen(admin, admin.http.get("/console/"), "/console/").text
    assert admin.http.cookies["__Host-foyer_told"].value == ""
    assert admin.http.cookies["__Host-foyer_told"]["max-age"] == 0
    assert admin.http.cookies["proxy"].value == "theirs"
