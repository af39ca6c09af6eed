"""identification: takes who a person claims to be, and reveals nothing about whether they exist."""

import pytest

from idp.accounts.models import Person
from idp.events.models import Event
from idp.foundation.text import clean_line
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import draw, row_of

REST = ("password", "login", "device_code", "consent", "finish")


@pytest.mark.parametrize(
    "typed",
    ["alice", "ALICE", "  alice ", "Alice@Acme.Test", "ａｌｉｃｅ", "ali\u200bce", "\u202aalice@acme.test"],
)
def test_every_spelling_of_a_name_is_the_same_person(acme: Tenant, door: Doors, typed: str) -> None:
    """Case, width and surrounding space make no second person."""
    seen = door().page().submit(name=typed)
    assert row_of(seen).state["facts"]["person"]["id"] == Person.objects.get(username="alice").pk


@pytest.mark.parametrize(
    "typed",
    [
        "nobody",
        "alice@other.test",
        "b\u043eb",
        "no\u202e  one",
        "' OR 1=1 --",
        "a" * 254,
        "<script>alert(1)</script>",
    ],
)
def test_an_unknown_name_continues_like_a_known_one(door: Doors, typed: str) -> None:
    """The same page follows, with the name as it was typed, without invisible characters.

    A name of the other tenant is unknown here.
    """
    known, unknown = door().page().submit(name="alice"), door().page().submit(name=typed)
    assert (unknown.step, unknown.status, unknown.title) == (known.step, known.status, known.title)
    assert row_of(unknown).state["facts"]["person"] == {"id": None, "name": clean_line(typed, 150)}
    assert "<script>alert" not in unknown.text


@pytest.mark.parametrize("typed", ["", "   ", "a" * 255])
def test_no_name_is_no_answer(door: Doors, typed: str) -> None:
    """The field says what is wrong; nothing was claimed."""
    seen = door().page().submit(name=typed)
    assert (seen.step, row_of(seen).state["facts"]) == ("identification", {})


@pytest.mark.parametrize(("fields", "typed", "found", "label"), [
    (["username"], "alice", True, "Username"),
    (["username"], "alice@acme.test", False, "Username"),
    (["email"], "alice@acme.test", True, "Email address"),
    (["email"], "alice", False, "Email address"),
    (["email", "username"], "alice", True, "Username or email address"),
])  # fmt: skip
def test_the_settings_say_what_may_be_entered(
    acme: Tenant, door: Doors, fields: list[str], typed: str, found: bool, label: str
) -> None:
    """Only those fields are looked at, and the label names them."""
    draw({"stage": "identification", "settings": {"fields": fields}}, *REST)
    seen = door().page()
    assert f">{label}</label>" in seen.text
    assert (row_of(seen.submit(name=typed)).state["facts"]["person"]["id"] is not None) is found


def test_a_name_without_an_account_is_not_stored_in_the_events(acme: Tenant, door: Doors) -> None:
    """People type their password there by mistake."""
    door().page().submit(name="my secret passphrase").submit(password="oops")
    assert "secret passphrase" not in str(list(Event.objects.values()))
