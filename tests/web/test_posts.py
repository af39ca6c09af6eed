"""POSTs of people's own pages: an irreversible action asks first, and a reload posts nothing again."""

from django.urls import URLPattern

from flows.documents.designations import DESIGNATIONS
from idp.accounts.models import Person
from idp.accounts.recovery import create_link
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from web.urls import urlpatterns

ASKS = {"remove-credential", "sign-out-everywhere"}  # a GET shows what is lost
FORMS = {"password", "recover"}  # a form is its own confirmation
# the steps of a flow, which the engine protects
RUNS = {"flow", "restart", *(each.name for each in DESIGNATIONS.values() if each.address)}
LOOKS = {"home", "done", "as-typed"}  # accept no POST
PROTOCOL = {
    "oauth-device",
    "oauth-token",
    "oauth-userinfo",
    "oauth-jwks",
    "openid-configuration",
    "oauth-authorization-server",
}


def test_every_address_is_known_here() -> None:
    """Every address is listed here: it asks first, is a form, belongs to a flow or answers no POST."""
    names = {str(each.name) for each in urlpatterns if isinstance(each, URLPattern)}
    assert names - PROTOCOL == ASKS | FORMS | RUNS | LOOKS


def test_what_cannot_be_undone_asks(acme: Tenant, door: Doors) -> None:
    """A page shows what is lost with a way back, and nothing happens before its POST.

    ``test_account.py`` covers the credentials.
    """
    browser, elsewhere = door(), door()
    browser.sign_in()
    elsewhere.sign_in()
    asked = browser.page("/sign-out-everywhere")
    assert "All other sessions are signed out" in asked.text
    assert "Signed in as" in elsewhere.page("/").text
    browser.http.post("/sign-out-everywhere", asked.hidden)
    assert "Signed in as" not in elsewhere.page("/").text


def test_the_result_is_shown_at_an_address_of_its_own(acme: Tenant, door: Doors) -> None:
    """The result has its own address, so F5 shows the same page again and posts nothing.

    This holds for a new password by either way, and for signing out everywhere else.
    """
    browser = door()
    browser.sign_in()
    link = f"/recover/{create_link(Person.objects.get(username='bob'), by='test')}"
    for address, form, title in (
        ("/password", {"new_password": "a better password 1"}, "Password changed"),
        ("/sign-out-everywhere", {}, "Signed out everywhere else"),
        (link, {"password": "a better password 2"}, "Password changed"),
    ):
        answer = browser.http.post(address, form)
        assert answer.status_code == 303
        assert browser.page(answer["Location"]).title == browser.page(answer["Location"]).title == title
    assert browser.get("/done/anything").status_code == 404
    assert browser.post("/done/password-set", {}).status_code == 405
