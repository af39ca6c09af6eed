"""Tenants in the console: created complete in one step by the installation's owner.

This works on the default tenant's host only.
"""

import re
from urllib.parse import urlsplit

import pytest

from idp.accounts.models import Person
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.web.console.signed_in import followed, installed, posted, signed_in, text

NEW, ONE, LINK = "/console/tenants/new", "/console/tenants/one/acme", "/console/tenants/link/acme"
WANTED = {
    "name": "shop",
    "title": "The shop",
    "domain": "shop.test",
    "administrator": "clerk",
    "email": "clerk@shop.test",
}


@pytest.fixture
def owner(tenants: dict[str, Tenant], door: Doors) -> Door:
    """A door signed in as alice, the installation's owner, at the default tenant's host."""
    installed()
    return signed_in(door, "owner", "localhost")


def _link(page: str) -> str:
    found = re.search(r"http://[a-z.]+/recover/[\w-]+", page)
    assert found, page
    return found[0]


def test_a_tenant_is_made_and_its_first_administrator_comes_in(owner: Door, door: Doors) -> None:
    """A new tenant has its name, title, domain and all flows.

    The link works once, at the new host, and leads into its console.
    """
    page = followed(owner, NEW, WANTED)
    link = urlsplit(_link(page))
    assert link.netloc == "shop.test"
    clerk = door("shop.test")
    assert clerk.http.post(link.path, {"password": "the clerk's password"}).status_code == 303
    assert clerk.http.post(link.path, {"password": "another password"}).status_code == 404
    clerk.sign_in("clerk", "the clerk's password", path="/sign-in?next=/console/people/")
    assert "clerk@shop.test" in text(clerk, "/console/people/")
    with tenant_scope(Tenant.objects.get(name="shop")):
        assert Person.objects.get().role == "owner"
        made = Event.objects.get(kind="person.created")
        assert (made.actor, made.target) == ("alice", "clerk")
    assert clerk.http.get("/console/tenants/").status_code == 403


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "acme"}, "This name is already taken."),
        ({"name": "Not a name"}, "Lower-case letters, digits and dashes, 50 at most."),
        ({"domain": "other.test"}, "is already used by the tenant other"),
        ({"title": "The\u200bshop"}, "must not hold U+200B (ZERO WIDTH SPACE)"),
        ({"administrator": "cl\u202eerk"}, "must not hold U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ({"administrator": ".."}, "be used in a URL"),
        ({"email": "a@☃.example"}, "is no domain: Codepoint U+2603"),
        ({"domain": "localhost"}, "is reserved for the default tenant"),
        ({"domain": "no host"}, "is no host name"),
        ({"email": "no address"}, "Enter a valid email address."),
        ({"title": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_makes_nothing(owner: Door, changed: dict[str, str], message: str) -> None:
    """An error is at its field with what was typed, and no incomplete tenant is left."""
    page = posted(owner, NEW, {**WANTED, **changed}, status=400)
    assert message in page
    assert set(Tenant.objects.values_list("name", flat=True)) == {"default", "acme", "other"}


def test_the_list_shows_what_each_holds_and_links_to_its_console(owner: Door) -> None:
    """The list counts domains, people and applications of every tenant, and shows none of them."""
    listed = text(owner, "/console/tenants/")
    rows = re.findall(r"<tr>.*?</tr>", listed[listed.index("<tbody>") :], re.DOTALL)
    acme = next(row for row in rows if ">acme<" in row or "acme</bdi>" in row)
    assert "acme.test" in acme
    assert [int(number) for number in re.findall(r'class="number"[^>]*>(\d+)', acme)] == [3, 4]
    page = text(owner, ONE)
    assert 'href="http://acme.test/console/"' in page
    assert "bob" not in page
    assert owner.http.get("/console/tenants/one/nobody").status_code == 404


def test_a_lost_domain_and_a_lost_administrator_are_restored_from_here(owner: Door, door: Doors) -> None:
    """Domains can be set, but never another tenant's; new links are for that tenant's administrators only."""
    with tenant_scope(Tenant.objects.get(name="acme")):
        Person.objects.filter(username="alice").update(role="admin")
    assert "is already used by the tenant other" in posted(
        owner, ONE, {"domains": "acme.test\nother.test"}, status=400
    )
    posted(owner, ONE, {"domains": "ACME.test\nacme.example"})
    assert door("acme.example").http.get("/").status_code == 200
    link = urlsplit(_link(followed(owner, LINK, {"username": "alice"})))
    assert door("acme.test").http.get(link.path).status_code == 200
    assert door("other.test").http.get(link.path).status_code == 404
    assert "A link is shown only once" in text(owner, LINK)
    for name in ("bob", "nobody", "inactive", "\0"):
        assert owner.http.post(LINK, {"username": name}).status_code == 404
    assert owner.http.post("/console/tenants/link/nobody", {"username": "alice"}).status_code == 404
    made = Event.unscoped.filter(kind="person.recovery_link_made").count()
    posted(owner, ONE, {"domains": "*.acme.test"})
    assert "Add a domain first" in text(owner, owner.http.post(LINK, {"username": "alice"})["Location"])
    assert Event.unscoped.filter(kind="person.recovery_link_made").count() == made, (
        "a link that is shown to no one is not created"
    )


def test_only_the_owner_and_only_on_the_default_host(owner: Door, door: Doors) -> None:
    """An owner of another tenant, and an administrator of the default one, may not even read the page."""
    for someone in (signed_in(door, "owner", "acme.test"), signed_in(door, "admin", "localhost")):
        for path in ("/console/tenants/", NEW, ONE):
            assert someone.http.get(path).status_code == 403
        for path in (NEW, ONE, LINK):
            assert someone.http.post(path, WANTED).status_code == 403
    assert not Tenant.objects.filter(name="shop").exists()
