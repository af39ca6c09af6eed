"""Lists and objects in the console: found, filtered and changed manually, in the tenant of the host only."""

import html
import re
from typing import Any

import pytest

from blueprints.objects import edit
from idp.accounts.models import Person, Role
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door
from web.administration import changes
from web.administration.declarations import Resource
from web.console.objects import objects

pytestmark = pytest.mark.both_modes


@pytest.fixture
def clerk(tenants: dict[str, Tenant], door: Any) -> Door:
    """An administrator of acme, signed in at its console."""
    for tenant in tenants.values():
        with tenant_scope(tenant):
            Person.objects.filter(username="alice").update(role=Role.ADMIN)
    opened: Door = door("acme.test")
    opened.sign_in()
    return opened


def _text(door: Door, path: str, status: int = 200) -> str:
    response = door.http.get(path)
    assert response.status_code == status, response.content.decode()[:2000]
    return str(response.content.decode())


def test_a_list_is_searched_filtered_and_sorted_in_its_address(clerk: Door) -> None:
    """Search, filters and order are in the address."""
    assert "bob" in _text(clerk, "/console/people/")
    found = _text(clerk, "/console/people/?q=ali&order=-username&active=yes")
    assert "alice" in found
    assert ">bob<" not in found
    assert 'aria-sort="descending"' in found
    assert "Remove filter" in found
    assert "Showing the full list" in _text(clerk, "/console/people/?order=password")
    assert "No results" in _text(clerk, "/console/people/?q=nobody-of-this-name")


def test_the_count_of_a_group_leads_to_its_people(clerk: Door) -> None:
    """The count links to the group's people, with any characters in its name.

    There is no link for an empty group, or for a role that may not see people.
    """
    with tenant_scope(Tenant.objects.get(name="acme")):
        for name in ("R&D +1", "empty"):
            edit.save("group", {"group": name}, by="test")
        edit.save("person", {"person": "bob", "groups": ["R&D +1"]}, by="test")
    page = _text(clerk, "/console/groups/")
    (found,) = re.findall(r'href="([^"]*group=R[^"]*)"', page)
    assert "group=empty" not in page
    people = _text(clerk, html.unescape(found))
    assert "/console/people/one/bob" in people
    assert "/console/people/one/alice" not in people
    with tenant_scope(Tenant.objects.get(name="acme")):
        Person.objects.filter(username="alice").update(role=Role.EDITOR)
    assert "group=R" not in _text(clerk, "/console/groups/")


def _etag(username: str) -> str:
    """Return the etag of a person of the tenant in scope."""
    known = edit.load("person", username)
    assert known
    return known.digest


def test_an_object_is_changed_and_its_history_shows_by_whom(clerk: Door) -> None:
    """Every change has its event."""
    with tenant_scope(Tenant.objects.get(name="acme")):
        etag = _etag("bob")
        form = {
            "etag": etag,
            "name": "Bob",
            "email": "bob@acme.test",
            "active": "on",
            "groups": ["staff"],
            "attributes": "desk: north\nfloor: 3",
        }
        response = clerk.http.post("/console/people/one/bob", form)
        assert (response.status_code, response["Location"]) == (303, "/console/people/one/bob")
        bob = Person.objects.get(username="bob")
        assert (bob.name, bob.attributes, [group.name for group in bob.groups.all()]) == (
            "Bob",
            {"desk": "north", "floor": 3},
            ["staff"],
        )
        assert Event.objects.filter(kind="person.changed", actor="alice", target="bob").exists()
    page = _text(clerk, "/console/people/one/bob")
    assert "Changes saved. (" in page, page[page.index("<main") :][:600]
    assert "person.changed" in page


def test_who_was_slower_loses_nothing(clerk: Door) -> None:
    """An outdated form is shown again with both versions, and writes nothing."""
    with tenant_scope(Tenant.objects.get(name="acme")):
        etag = _etag("bob")
        edit.save("person", {"person": "bob", "name": "Theirs"}, by="somebody")
        form = {"etag": etag, "name": "Yours", "email": "bob@acme.test", "active": "on"}
        response = clerk.http.post("/console/people/one/bob", form)
        text = response.content.decode()
        assert response.status_code == 409
        assert "Someone else changed this" in text
        assert "Theirs" in text
        assert 'value="Yours"' in text
        assert Person.objects.get(username="bob").name == "Theirs"


def test_what_is_wrong_stands_at_its_field(clerk: Door) -> None:
    """Nothing is saved, and the typed values are still in the form."""
    response = clerk.http.post(
        "/console/applications/one/tv", {"etag": "", "application": "tv", "access_token_lifetime": "for ever"}
    )
    text = response.content.decode()
    assert response.status_code == 400
    assert "enter a duration like" in text.lower()
    assert 'value="for ever"' in text


def test_many_at_once_after_being_asked(clerk: Door) -> None:
    """A bulk action shows what will be lost before it acts."""
    asked = clerk.http.post("/console/people/do/deactivate", {"key": ["bob", "nobody"]})
    assert "sign in until" in asked.content.decode()
    clerk.http.post("/console/people/do/deactivate", {"key": ["bob", "nobody"], "sure": "1"})
    with tenant_scope(Tenant.objects.get(name="acme")):
        assert not Person.objects.get(username="bob").is_active


def test_the_last_administrator_stays(clerk: Door) -> None:
    """No action locks everyone out, and the last administrator cannot remove themselves."""
    response = clerk.http.post("/console/people/do/delete", {"key": "alice", "sure": "1"}, follow=True)
    with tenant_scope(Tenant.objects.get(name="acme")):
        assert Person.objects.filter(username="alice").exists()
    assert "administrator" in response.content.decode()


def test_another_tenants_object_is_not_there(clerk: Door, tenants: dict[str, Tenant]) -> None:
    """Another tenant's object is a 404 for reading, writing and deleting."""
    with tenant_scope(tenants["other"]):
        edit.save("group", {"group": "theirs"}, by="somebody")
    assert "Page not found" in _text(clerk, "/console/groups/one/theirs", 404)
    clerk.http.post("/console/groups/do/delete", {"key": "theirs", "sure": "1"})
    with tenant_scope(tenants["other"]):
        assert edit.load("group", "theirs")


def test_what_is_deleted_in_between_is_not_there(clerk: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that is deleted between the read and the write is a 404."""

    def save(resource: Resource, said: Any, person: Person, **more: Any) -> edit.SaveResult:
        changes.delete(resource, "bob", person)
        return changes.save(resource, said, person, **more)

    monkeypatch.setattr(objects, "save", save)
    with tenant_scope(Tenant.objects.get(name="acme")):
        etag = _etag("bob")
    assert clerk.http.post("/console/people/one/bob", {"etag": etag, "name": "Bob"}).status_code == 404


@pytest.mark.parametrize("role", [Role.HELPDESK, Role.AUDITOR, Role.EDITOR])
def test_a_role_that_lacks_it_is_refused(clerk: Door, tenants: dict[str, Tenant], role: Role) -> None:
    """The shared check asks the matrix for every page."""
    with tenant_scope(tenants["acme"]):
        Person.objects.filter(username="bob").update(role=Role.ADMIN)
        Person.objects.filter(username="alice").update(role=role)
    assert "You don&#x27;t have access" in _text(clerk, "/console/people/add", 403)
    assert clerk.http.post("/console/people/do/delete", {"key": "bob", "sure": "1"}).status_code == 403


def test_no_one_creates_a_person_with_more_rights(clerk: Door, tenants: dict[str, Tenant]) -> None:
    """An administrator is not an owner and cannot create one, by a form or by helping one."""
    with tenant_scope(tenants["acme"]):
        Person.objects.filter(username="bob").update(role=Role.OWNER)
        etag = _etag("alice")
    assert (
        clerk.http.post(
            "/console/people/one/alice", {"etag": etag, "role": "owner", "active": "on"}
        ).status_code
        == 403
    )
    clerk.http.post("/console/people/do/sign-out", {"key": "bob", "sure": "1"})
    listing = _text(clerk, "/console/people/")
    assert "their role is higher than yours" in listing


def test_who_is_not_signed_in_comes_back_after_signing_in(tenants: dict[str, Tenant], door: Any) -> None:
    """The way back leads through the tenant's own sign-in, and never to another site."""
    visitor: Door = door("acme.test")
    response = visitor.http.get("/console/people/?q=bob")
    assert response["Location"] == "/sign-in?next=/console/people/%3Fq%3Dbob"
    with tenant_scope(tenants["acme"]):
        Person.objects.filter(username="alice").update(role=Role.ADMIN)
