"""A claimed and a proved person are two facts, and a session seeds only what it proved."""

from datetime import UTC, datetime
from typing import Any

import pytest

from flows.facts import (
    Approval,
    BrokenFlow,
    ClaimedPerson,
    ConnectionRequest,
    Facts,
    Proof,
    SignedIn,
    SignedOut,
    add_facts,
    session_facts,
)
from flows.run import Run
from flows.stage import Stage
from idp.accounts.models import Session
from idp.foundation.sealing import Sealed
from idp.tenancy.models import Tenant
from tests.support.client import Doors

NOW = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
ALICE, UNKNOWN = Facts(person=ClaimedPerson(7, "alice")), Facts(person=ClaimedPerson(None, "nobody"))
PROVED = ALICE | Facts(proof=Proof(7, "pwd", NOW), second_factor=Proof(7, "otp", NOW))
EVERYTHING = {"person", "proof", "second_factor", "signed_in", "request", "consent"}


def proof_of(name: str, person: Any) -> Facts:
    """The fact with this name, about this person, of any type: stages of third parties may not be checked."""
    return {
        "proof": Facts(proof=Proof(person, "pwd", NOW)),
        "second_factor": Facts(second_factor=Proof(person, "otp", NOW)),
        "signed_in": Facts(signed_in=SignedIn(person, 1, NOW, ("pwd",))),
    }[name]


def test_claiming_another_person_drops_proofs_session_and_consent() -> None:
    """The request stays: it belongs to the device and not to the person."""
    request = Facts(request=ConnectionRequest("device", 5, 1, (), "", Sealed.of("BCDF-GHJK")))
    facts = PROVED | proof_of("signed_in", 7) | request | Facts(consent=Approval(5, ()))
    bob = Facts(person=ClaimedPerson(8, "bob"))
    assert add_facts(facts, bob, {"person"}) == bob | request


def test_claiming_an_unknown_name_drops_them_too() -> None:
    """An unknown name is another person than the known one before it."""
    assert add_facts(PROVED, UNKNOWN, {"person"}) == UNKNOWN


def test_claiming_the_same_person_keeps_them() -> None:
    """The name may be in another spelling."""
    again = Facts(person=ClaimedPerson(7, "Alice"))
    assert add_facts(PROVED, again, {"person"}) == PROVED | again


def test_signing_out_drops_the_person_too() -> None:
    """Only facts about no one are left, those of other packages among them."""
    badge = Facts(own={"acme.badge": {"number": "A17"}})
    ended = Facts(signed_out=SignedOut(1))
    assert add_facts(PROVED | badge, ended, {"signed_out"}) == ended | badge


@pytest.mark.parametrize("name", ["proof", "second_factor", "signed_in"])
@pytest.mark.parametrize("person", [8, 0])
def test_a_proof_names_the_claimed_person(name: str, person: int) -> None:
    """A proof of another person, or of no one, raises BrokenFlow."""
    with pytest.raises(BrokenFlow, match=f"{name} names another person"):
        add_facts(ALICE, proof_of(name, person), EVERYTHING)


@pytest.mark.parametrize("name", ["proof", "second_factor", "signed_in"])
@pytest.mark.parametrize("person", ["7", None])
def test_a_fact_can_be_read_again(name: str, person: object) -> None:
    """A fact of other types than its class declares raises BrokenFlow before the row stores it."""
    with pytest.raises(BrokenFlow, match=r"A stage gave a malformed fact: .* has an invalid person"):
        add_facts(ALICE, proof_of(name, person), EVERYTHING)


@pytest.mark.parametrize("claimed", [Facts(), UNKNOWN])
@pytest.mark.parametrize("person", [0, None])
def test_an_unknown_person_cannot_be_proved(claimed: Facts, person: int | None) -> None:
    """A proof without a known person is none, even one that names no one itself."""
    with pytest.raises(BrokenFlow):
        add_facts(claimed, proof_of("proof", person), EVERYTHING)


@pytest.mark.parametrize("given", [proof_of("signed_in", 7), Facts(own={"acme.badge": 1})])
def test_a_stage_gives_only_what_it_declares(given: Facts) -> None:
    """A fact that the stage does not declare raises BrokenFlow, with any outcome."""
    with pytest.raises(BrokenFlow, match=r"gave (signed_in|acme\.badge), which it does not declare"):
        add_facts(ALICE, given, {"person"})


def test_a_dry_run_can_assume_every_fact() -> None:
    """A stage of another package need not say what it would have given, also where that is its own fact."""

    class Generous(Stage):
        gives = {*Facts.meanings(), "acme.badge"}
        method = "otp"

    run = Run("run", "flow", ALICE, {}, {}, "browser", 3, "192.0.2.1", "", NOW)
    assumed = Generous().assumed_facts(run)
    assert assumed.names == Generous.gives
    assert (assumed.proof, assumed.signed_out) == (Proof(7, "otp", NOW), SignedOut(3))
    assert assumed.signed_in == SignedIn(7, None, NOW, ("otp",))
    assert Facts.load(assumed.dump()) == assumed


@pytest.mark.parametrize(
    ("methods", "second"), [(["pwd"], False), (["pwd", "otp"], True), (["hwk"], True), (["otp"], False)]
)
def test_a_session_seeds_what_it_proved(acme: Tenant, door: Doors, methods: list[str], second: bool) -> None:
    """A second factor only where one was used; never a request, never consent."""
    door().sign_in()
    session = Session.objects.select_related("person").get()
    session.methods = methods
    facts = session_facts(session)
    assert facts.names == {"person", "proof", "signed_in"} | ({"second_factor"} if second else set())
    assert {fact.person for fact in facts.by_name.values() if isinstance(fact, Proof | SignedIn)} == {
        facts.claimed_person
    }
    assert facts.claimed_person == session.person_id
