"""People and groups: one spelling, one row, and no trace where nothing changed."""

import pytest
from django.core.exceptions import ValidationError

from idp.accounts.credentials import check_password, hash_password, prepare_password, store_password
from idp.accounts.models import Group, Person
from idp.accounts.people import KeepAttributes, by_username, groups_of, identify, save_person
from idp.events.models import Event
from idp.foundation.effects import EffectConflict
from idp.foundation.text import fold
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Alice", "alice"),
        (" ALICE\t", "alice"),
        ("ＡＬＩＣＥ", "alice"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("", ""),
    ],
)
def test_one_spelling_for_what_is_the_same_name(typed: str, folded: str) -> None:
    """Case, width, ligatures, surrounding space."""
    assert fold(typed) == folded


def test_a_username_comes_before_an_email_address(acme: Tenant) -> None:
    """The settings' order counts, so that no one is found by another person's name."""
    trap = save_person("bob@acme.test", by="test")
    bob = by_username("bob")
    assert bob is not None
    assert identify("bob@acme.test", ("username", "email")).id == trap.pk
    assert identify("bob@acme.test", ("email", "username")).id == bob.pk


def test_the_same_name_in_two_tenants_is_two_people(tenants: dict[str, Tenant]) -> None:
    """Each has a subject that is never the other's."""
    found = []
    for tenant in tenants.values():
        with tenant_scope(tenant):
            found.append(Person.objects.get(username="alice"))
            assert save_person("ALICE", by="test") == found[-1]
    assert found[0].subject != found[1].subject


def test_saving_what_is_so_already_writes_nothing(acme: Tenant) -> None:
    """No event, no row."""
    recorded = Event.objects.count()
    save_person("alice", name="Alice", email="alice@acme.test", groups=["staff"], by="test")
    assert Event.objects.count() == recorded
    save_person("alice", name="Alice B.", groups=[], by="test")
    assert sorted(Event.objects.order_by("-pk").values_list("kind", flat=True)[:2]) == [
        "person.changed",
        "person.groups_changed",
    ]
    assert groups_of(Person.objects.get(username="alice").pk) == []


def test_two_people_never_share_an_address(acme: Tenant) -> None:
    """The constraint raises before the database does; many people can be without an address."""
    with pytest.raises(ValidationError):
        save_person("evaluator", email="alice@acme.test", by="test")
    save_person("evaluator", by="test")
    save_person("intruder", by="test")


def test_an_event_never_holds_the_new_values(acme: Tenant) -> None:
    """An event has only the keys that changed: a hash does not belong in the audit log."""
    save_person("alice", password=hash_password("some long password"), by="test")
    recorded = Event.objects.get(kind="person.changed")
    assert recorded.data == {"keys": ["password"]}


def test_groups_of_no_person(acme: Tenant) -> None:
    """An empty list, no error."""
    assert groups_of(None) == []
    assert Group.objects.filter(name="staff").count() == 1


def test_judging_and_changing_a_password(acme: Tenant) -> None:
    """Correct only for an active person with this very password."""
    alice, inactive = Person.objects.get(username="alice"), Person.objects.get(username="inactive")
    assert check_password(alice, "alice-password-1").correct
    assert not check_password(alice, "alice-password-2").correct
    assert not check_password(inactive, "inactive-password-3").correct
    assert not check_password(None, "the password of nobody").correct
    assert not check_password(Person(username="new", password=""), "").correct
    with pytest.raises(ValidationError):
        prepare_password(alice, "alice-acme")
    store_password(alice, prepare_password(alice, "three words in a row"), by="test")
    alice.refresh_from_db()
    assert check_password(alice, "three words in a row").correct
    assert alice.proofs_valid_after is not None


def test_attributes_are_merged_and_recorded_by_name_only(acme: Tenant, other: Tenant) -> None:
    """What was stored before stays, and storing the same again writes nothing.

    The other tenant's alice has none.
    """
    alice = Person.objects.get(username="alice")
    for values in ({"phone": "1", "city": "Acme Town"}, {"phone": "2"}, {"phone": "2"}):
        KeepAttributes(alice.pk, values).apply()
    assert Person.objects.get(username="alice").attributes == {"phone": "2", "city": "Acme Town"}
    recorded = Event.objects.filter(kind="person.attributes_changed").order_by("pk")
    assert [event.data for event in recorded] == [{"keys": ["city", "phone"]}, {"keys": ["phone"]}]
    assert "Acme Town" not in str(list(recorded.values()))
    with tenant_scope(other), pytest.raises(EffectConflict):
        KeepAttributes(alice.pk, {"phone": "3"}).apply()


@pytest.mark.parametrize(
    "values", [{f"key{at}": "" for at in range(51)}, {"long": "x" * 4096}, {"wide": "é" * 2050}]
)
def test_there_is_a_bound_on_attributes(acme: Tenant, values: dict[str, str]) -> None:
    """Fifty names, 4 KB in all; more is refused whole."""
    alice = Person.objects.get(username="alice")
    KeepAttributes(alice.pk, {"phone": "1"}).apply()
    with pytest.raises(EffectConflict):
        KeepAttributes(alice.pk, values).apply()
    assert Person.objects.get(username="alice").attributes == {"phone": "1"}


def test_an_inactive_person_keeps_nothing(acme: Tenant) -> None:
    """For good."""
    with pytest.raises(EffectConflict) as lost:
        KeepAttributes(Person.objects.get(username="inactive").pk, {"phone": "1"}).apply()
    assert lost.value.final


def test_a_new_address_is_not_verified(acme: Tenant) -> None:
    """OpenID Connect Core 5.1: changing the address removes the verification.

    It stays if the same request says that the address is verified.
    """
    save_person("alice", by="test", email="alice@acme.test", email_verified=True)
    assert save_person("alice", by="test", name="Alice A.").email_verified
    assert not save_person("alice", by="test", email="new@acme.test").email_verified
    assert save_person("alice", by="test", email="newer@acme.test", email_verified=True).email_verified
