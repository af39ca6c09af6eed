"""The page for people who lack a permission: within the console, with the permission and a way on."""

from idp.tenancy.models import Tenant
from tests.journeys.shipped import ship
from tests.support.client import Doors
from tests.web.console.pages import default_tenant, entered
from tests.web.console.signed_in import text


def test_who_may_not_learns_what_is_missing(acme: Tenant) -> None:
    """The page shows the signed-in person, the permission and the roles that have it, within the navigation.

    Signing in as another person leads back here.
    """
    editor = entered("acme.test", acme, "editor")
    page = text(editor, "/console/people/?q=bob", 403)
    for words in (
        "You don&#x27;t have access",
        "Your role (Flow editor) doesn't include this permission.",
        "<code>people.see</code>",
    ):
        assert words in page
    assert "Owner, Administrator, Help desk, Auditor" in page
    assert 'aria-label="Console"' in page
    assert 'href="/sign-in?switch&amp;next=/console/people/%3Fq%3Dbob"' in page
    ship()
    answer = editor.http.get("/sign-in?switch&next=/console/people/", follow=True)
    assert "Username or email address" in answer.content.decode()


def test_without_a_role_there_is_nothing_but_that(acme: Tenant) -> None:
    """A person without a role sees no navigation and no name of any object.

    A POST leads back to the overview, not to itself.
    """
    person = entered("acme.test", acme, "", "bob")
    page = text(person, "/console/", 403)
    assert "You don't have a role in this console." in page
    assert "/console/people/" not in page
    refused = person.http.post("/console/people/do/delete", {"key": "alice"})
    assert refused.status_code == 403
    assert "next=/console/" in refused.content.decode()


def test_the_installation_is_looked_after_at_its_own_host(acme: Tenant, door: Doors) -> None:
    """An owner of another tenant has the role, but not the right host."""
    default_tenant()
    page = text(entered("acme.test", acme, "owner"), "/console/tenants/", 403)
    assert "manages the whole installation" in page
