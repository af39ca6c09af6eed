"""One object changed manually is checked as a blueprint would be.

The change names its author and never overwrites what another person wrote.
"""

import json
import threading

import pytest
from django.db import connections

from blueprints.files.apply import apply
from blueprints.files.drift import find_drift
from blueprints.files.plan import make_plan
from blueprints.models import Owned
from blueprints.objects import edit
from idp.accounts.credentials import is_current_password
from idp.accounts.models import Group, Person, Role
from idp.events.models import Event
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Write


@pytest.fixture
def acme(tenants: dict[str, Tenant]) -> Tenant:
    """Return the tenant in scope."""
    return tenants["acme"]


def test_an_object_is_made_changed_and_deleted(acme: Tenant) -> None:
    """Each has its event, which names the author."""
    with tenant_scope(acme):
        made = edit.save(
            "person",
            {"person": "Clerk", "password": "a-long-password-1", "groups": ["staff"]},
            by="alice",
            new=True,
        )
        assert (made.name, made.created) == ("clerk", True)
        clerk = Person.objects.get(username="clerk")
        assert is_current_password(clerk, "a-long-password-1")
        changed = edit.save("person", {"person": "clerk", "name": "Clerk"}, by="alice", new=False)
        assert [(key.key, key.old, key.new) for key in changed.keys] == [("name", "", "Clerk")]
        assert edit.save("person", {"person": "clerk", "name": "Clerk"}, by="alice").keys == ()
        edit.delete("person", "clerk", by="alice")
        recorded = (
            Event.objects.filter(target="clerk", actor="alice").order_by("pk").values_list("kind", flat=True)
        )
        first, *_others, last = recorded
        assert (first, last) == ("person.created", "person.deleted")
        with pytest.raises(edit.ObjectNotFound):
            edit.delete("person", "clerk", by="alice")


@pytest.mark.parametrize(
    ("kind", "said", "at"),
    [
        ("person", {"person": "x", "groups": ["no-such"]}, "groups.0"),
        ("person", {"person": "x", "email": "alice@acme.test"}, "email"),
        ("person", {"person": "x", "email": "not an address"}, "email"),
        ("person", {"person": "x", "nam": "X"}, "nam"),
        ("person", {"person": ""}, "person"),
        ("application", {"application": "x", "type": "confidential"}, "type"),
        ("application", {"application": "x", "scopes": ["no:such"]}, "scopes.0"),
        ("application", {"application": "x", "device": {"interval": "2h"}}, "device.interval"),
        ("application", {"application": "x", "client_id": "tv"}, "client_id"),
        ("scope", {"scope": "a b", "title": "x"}, "scope"),
        ("tenant", {"tenant": "acme", "accent": "red"}, "accent"),
        ("tenant", {"tenant": "acme", "domains": ["other.test"]}, "domains"),
    ],
)
def test_what_is_wrong_is_reported_at_its_key(
    acme: Tenant, kind: str, said: dict[str, object], at: str
) -> None:
    """Nothing is written."""
    with tenant_scope(acme):
        events = Event.objects.count()
        with pytest.raises(edit.InvalidObject) as refused:
            edit.save(kind, said, by="alice")
        assert at in refused.value.errors
        assert Event.objects.count() == events


def test_only_over_what_was_looked_at(acme: Tenant) -> None:
    """RFC 9110 section 13.1.1: the etag names a state, secrets included."""
    with tenant_scope(acme):
        looked = edit.load("person", "bob")
        assert looked is not None
        edit.save("person", {"person": "bob", "password": "another-password-2"}, by="alice")
        with pytest.raises(edit.EditConflict):
            edit.save("person", {"person": "bob", "name": "Bob"}, by="alice", expect=looked.digest)
        with pytest.raises(edit.EditConflict):
            edit.delete("person", "bob", by="alice", expect=looked.digest)
        with pytest.raises(edit.ObjectNotFound):
            edit.save("group", {"group": "none"}, by="alice", expect="0")
        with pytest.raises(edit.ObjectNotFound):
            edit.save("group", {"group": "none"}, by="alice", new=False)
        with pytest.raises(edit.InvalidObject):
            edit.save("group", {"group": "staff"}, by="alice", new=True)


def test_a_document_says_what_there_is_and_never_a_secret(acme: Tenant) -> None:
    """What is read can be written back, and changes nothing."""
    with tenant_scope(acme):
        for kind, name in (
            ("person", "alice"),
            ("application", "tv"),
            ("group", "staff"),
            ("scope", "acme:read"),
            ("tenant", "acme"),
        ):
            found = edit.load(kind, name)
            assert found is not None
            assert not {"password", "client_secret", "$secret"} & set(found.document)
            assert edit.save(kind, found.document, by="alice", expect=found.digest).keys == ()


def test_another_tenants_object_is_not_there(tenants: dict[str, Tenant]) -> None:
    """It is neither read nor changed nor deleted."""
    with tenant_scope(tenants["other"]):
        edit.save("group", {"group": "theirs"}, by="bob")
    with tenant_scope(tenants["acme"]):
        assert edit.load("group", "theirs") is None
        with pytest.raises(edit.ObjectNotFound):
            edit.delete("group", "theirs", by="alice")
        edit.save("group", {"group": "theirs"}, by="alice", new=True)
    with tenant_scope(tenants["other"]):
        assert Group.objects.filter(name="theirs").count() == 1


def test_the_last_administrator_stays(acme: Tenant) -> None:
    """They are neither demoted, nor deactivated, nor deleted."""
    with tenant_scope(acme):
        edit.save("person", {"person": "alice", "role": "admin"}, by="alice")
        for said in ({"role": "auditor"}, {"active": False}):
            with pytest.raises(edit.InvalidObject):
                edit.save("person", {"person": "alice", **said}, by="alice")
        with pytest.raises(edit.InvalidObject):
            edit.delete("person", "alice", by="alice")
        assert Person.objects.get(username="alice").role == Role.ADMIN


def test_what_is_changed_by_hand_shows_as_drift(acme: Tenant) -> None:
    """The drift names its author."""
    with tenant_scope(acme):
        edit.save("application", {"application": "tv", "title": "By hand"}, by="alice")
        found = next(each for each in find_drift() if (each.kind, each.name) == ("application", "tv"))
        assert (found.by, [key.key for key in found.keys]) == ("alice", ["title"])


def test_two_hands_at_once(transactional_db: None, tenants: dict[str, Tenant]) -> None:
    """Of eight requests with the same etag, one writes and the others are refused."""
    with tenant_scope(tenants["acme"]):
        current = edit.load("application", "tv")
    assert current is not None
    etag = current.digest
    outcomes: list[str] = []

    def write(title: str) -> None:
        try:
            with tenant_scope(tenants["acme"]):
                edit.save("application", {"application": "tv", "title": title}, by=title, expect=etag)
            outcomes.append(title)
        except edit.EditConflict:
            outcomes.append("moved")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(f"Title {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert outcomes.count("moved") == 7
    with tenant_scope(tenants["acme"]):
        assert Application.objects.get(name="tv").title in outcomes


SETS = {
    ("application", "tv"): {
        "scopes": ["openid", "offline_access", "profile"],
        "grants": ["refresh_token", "device_code"],
        "groups": ["staff", "night"],
    },
    ("person", "bob"): {"groups": ["staff", "night"]},
    ("tenant", "acme"): {"domains": ["*.acme.test", "acme.test"], "networks": ["192.0.2.0/24", "10.0.0.0/8"]},
}


@pytest.mark.parametrize(("kind", "name"), SETS)
def test_an_order_is_no_change(acme: Tenant, write_blueprint: Write, kind: str, name: str) -> None:
    """Saving, planning and applying the same in another order, or twice, writes and reports nothing.

    It is no drift either.
    """
    with tenant_scope(acme):
        edit.save("group", {"group": "night"}, by="alice")
        said = SETS[kind, name]
        edit.save(kind, {kind: name, **said}, by="alice", rights=("tenants.edit",))
        turned = {key: [*reversed(value), value[0]] for key, value in said.items()}
        head = "" if kind == "tenant" else "tenant: acme\n---\n"
        first, second = (head + json.dumps({kind: name, **each}) + "\n" for each in (said, turned))
        file = write_blueprint(first)
        apply([file])
        before, events = dict(Owned.objects.values_list("name", "applied_at")), Event.objects.count()
        assert edit.save(kind, {kind: name, **turned}, by="alice", rights=("tenants.edit",)).keys == ()
        assert make_plan([write_blueprint(second)]).effective == []
        apply([file])
        assert (dict(Owned.objects.values_list("name", "applied_at")), Event.objects.count()) == (
            before,
            events,
        )
        assert find_drift() == []
        key, value = next(iter(said.items()))
        assert edit.save(kind, {kind: name, key: value[1:]}, by="alice", rights=("tenants.edit",)).keys
