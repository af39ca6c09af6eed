"""Facts are frozen values, and the JSON of a run's row is read strictly."""

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.run import State
from idp.foundation.facts import (
    Approval,
    AssumedDevice,
    BrokenFlow,
    ClaimedPerson,
    ConnectionRequest,
    Facts,
    MissingFact,
    NewCredential,
    Proof,
    SignedIn,
    SignedOut,
)
from idp.foundation.sealing import Sealed

NOW = datetime(2026, 11, 20, 17, 30, 0, 250, tzinfo=UTC)
TIME = "2026-11-20T17:30:00.000250+00:00"
CODE = Sealed("the sealed code")
EVERY_FACT = Facts(
    person=ClaimedPerson(7, "alice"),
    proof=Proof(7, "pwd", NOW),
    second_factor=Proof(7, "otp", NOW + timedelta(minutes=1), enrolled=True),
    signed_in=SignedIn(7, 3, NOW, ("pwd", "otp")),
    request=ConnectionRequest(
        "device", 0, 4, ("openid",), "tv", CODE, AssumedDevice("192.0.2.1", NOW, "Living room")
    ),
    consent=Approval(5, ("openid", "profile")),
    credential=NewCredential(7, "totp", NOW),
    signed_out=SignedOut(3),
    own={"acme.badge": {"number": "A17", "doors": [1, {"open": None}], "pin": Sealed("the pin")}},
)
STORED = {
    "person": {"id": 7, "name": "alice"},
    "proof": {"person": 7, "method": "pwd", "at": TIME},
    "signed_in": {"person": 7, "session": 3, "at": TIME, "methods": ["pwd"]},
    "request": {
        "kind": "device",
        "device": 5,
        "application": 4,
        "scopes": ["openid"],
        "flow": "",
        "user_code": {"$sealed": "the sealed code"},
    },
    "consent": {"device": 5, "scopes": []},
}


def stored(facts: Facts) -> Any:
    """The facts as a row stores them."""
    return json.loads(json.dumps(State(facts=facts).dump()))["facts"]


def loaded(facts: object) -> Facts:
    """The facts in the JSON of a row."""
    return State.load({**State().dump(), "facts": facts}).facts


# --- JSON ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVERY_FACT.names))
def test_every_fact_survives_the_row(name: str) -> None:
    """It is the same after a round trip through JSON, alone and among others."""
    fact = EVERY_FACT.only([name])
    assert fact.names == {name}
    assert loaded(stored(fact)) == fact
    assert loaded(stored(EVERY_FACT)).only([name]) == fact


def test_the_names_are_all_tested() -> None:
    """The value above has every fact and one of another package."""
    assert EVERY_FACT.names == {*Facts.meanings(), "acme.badge"}


def test_what_a_row_stores() -> None:
    """Times are ISO 8601 and lists are lists; a member at its default is left out."""
    facts = loaded(STORED)
    assert stored(facts) == STORED
    assert facts.proof == Proof(7, "pwd", NOW)
    assert facts.request == ConnectionRequest("device", 5, 4, ("openid",), "", CODE)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("person", {"id": "7"}),
        ("person", {"id": True}),
        ("person", {"name": None}),
        ("proof", {"person": None}),
        ("proof", {"person": 7.0}),
        ("proof", {"at": 1}),
        ("proof", {"at": ""}),
        ("proof", {"at": "2026-11-20T17:30:00"}),
        ("proof", {"enrolled": 1}),
        ("proof", {"unknown": 1}),
        ("signed_in", {"session": "3"}),
        ("signed_in", {"methods": "pwd"}),
        ("signed_in", {"methods": ["pwd", 1]}),
        ("request", {"user_code": "BCDF-GHJK"}),
        ("request", {"shows": {"address": "192.0.2.1"}}),
        ("request", {"device": None}),
        ("consent", {"scopes": {}}),
        ("consent", {"device": [5]}),
    ],
)
def test_another_shape_is_refused(name: str, changes: dict[str, Any]) -> None:
    """Nothing is guessed, and the message names the member without its value."""
    whole = STORED[name]
    assert isinstance(whole, dict)
    with pytest.raises(ValueError, match=r"has an invalid|The members of") as refused:
        loaded({name: {**whole, **changes}})
    assert "BCDF" not in str(refused.value)


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_missing_member_is_refused(name: str) -> None:
    """So is a fact that is no object."""
    whole = STORED[name]
    assert isinstance(whole, dict)
    for member in whole:
        with pytest.raises(ValueError, match=f"The members of .*{member}"):
            loaded({name: {key: value for key, value in whole.items() if key != member}})
    strangers: tuple[object, ...] = (None, [], "alice", 7)
    for strange in strangers:
        with pytest.raises(ValueError, match="The members of"):
            loaded({name: strange})


# --- values -------------------------------------------------------------------------------------------------


def test_nothing_can_be_changed() -> None:
    """Neither the facts nor a fact, also of another package, so a failed step leaves no half of a change."""
    facts, before = EVERY_FACT, repr(EVERY_FACT)
    for value in (facts, *facts.by_name.values()):
        for name in vars(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, name, None)
            with pytest.raises(FrozenInstanceError):
                delattr(value, name)
    with pytest.raises(TypeError):
        facts.own["acme.badge"]["number"] = "B1"
    with pytest.raises(TypeError):
        facts.own["acme.badge"]["doors"][1]["open"] = True
    assert isinstance(facts.own["acme.badge"]["doors"], tuple)
    assert repr(facts) == before


def test_adding_and_dropping_return_new_facts() -> None:
    """The newer of two is kept."""
    older, newer = Facts(proof=Proof(7, "pwd", NOW)), Facts(proof=Proof(7, "hwk", NOW), own={"a": 1})
    both = older | newer | Facts(person=ClaimedPerson(7, "alice"), own={"b": 2})
    assert (older.proof.method, both.proof.method, dict(both.own)) == ("pwd", "hwk", {"a": 1, "b": 2})
    assert both.names == {"person", "proof", "a", "b"}
    assert both.without("a", "proof", "consent").names == {"person", "b"}
    assert both.only(["a", "proof", "consent"]) == newer
    assert both.only([]) == Facts()


def test_equal_facts() -> None:
    """Facts are equal by value, in any order; no other object equals them."""
    one, other = Facts(person=ClaimedPerson(7, "alice"), own={"a": [1]}), Facts(own={"a": (1,)})
    assert one == other | Facts(person=ClaimedPerson(7, "alice"))
    assert hash(one) == hash(other | Facts(person=ClaimedPerson(7, "alice")))
    assert one != other
    assert Facts() != {}


def test_a_fact_that_is_not_known() -> None:
    """Reading it raises an error that the engine treats as a broken flow, and ``in`` asks for it."""
    facts = Facts(person=ClaimedPerson(None, "nobody"), own={"acme.badge": {}})
    assert "person" in facts
    assert "acme.badge" in facts
    assert "proof" not in facts
    assert "own" not in facts
    with pytest.raises(MissingFact, match="reads proof, which is not known") as missing:
        _ = facts.proof
    assert isinstance(missing.value, BrokenFlow)


@pytest.mark.parametrize(
    ("facts", "claimed"),
    [(Facts(), None), (Facts(person=ClaimedPerson(None, "nobody")), None), (EVERY_FACT, 7)],
)
def test_who_is_claimed(facts: Facts, claimed: int | None) -> None:
    """No one is claimed by a name that no one has."""
    assert facts.claimed_person == claimed


def test_a_fact_has_its_class() -> None:
    """A mapping in its place, as of an older stage, is refused where it is made."""
    proof: Any = {"person": 7, "method": "pwd", "at": TIME}
    with pytest.raises(TypeError, match="The fact proof must be a Proof"):
        Facts(proof=proof)
    with pytest.raises(ValueError, match="proof: a fact of another package needs another name"):
        Facts(own={"proof": proof})


def test_secrets_are_not_printed() -> None:
    """Nor is the typed name, because people type passwords there by mistake."""
    shown = repr(EVERY_FACT) + str(EVERY_FACT) + repr(list(EVERY_FACT.by_name.values()))
    for secret in ("the sealed code", "the pin", "alice"):
        assert secret not in shown
    assert "Proof(person=7, method='pwd'" in shown
