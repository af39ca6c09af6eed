"""A claimed and a proved person are two facts, and a session seeds only what it proved."""

from collections.abc import Callable

import pytest

from flows.facts import BrokenFlow, add_facts, session_facts
from idp.accounts.models import Session
from idp.tenancy.models import Tenant
from tests.support.client import Door

ALICE = {"person": {"id": 7, "name": "alice"}}
PROVED = {**ALICE, "proof": {"person": 7, "method": "pwd"}, "second_factor": {"person": 7, "method": "otp"}}
EVERYTHING = {"person", "proof", "second_factor", "signed_in", "request", "consent"}


def test_claiming_another_person_drops_proofs_session_and_consent() -> None:
    """The request stays: it belongs to the device and not to the person."""
    facts = {
        **PROVED,
        "signed_in": {"person": 7, "session": 1},
        "request": {"device": 5},
        "consent": {"device": 5},
    }
    add_facts(facts, {"person": {"id": 8, "name": "bob"}}, {"person"})
    assert facts == {"person": {"id": 8, "name": "bob"}, "request": {"device": 5}}


def test_claiming_an_unknown_name_drops_them_too() -> None:
    """An unknown name is another person than the known one before it."""
    facts = dict(PROVED)
    add_facts(facts, {"person": {"id": None, "name": "nobody"}}, {"person"})
    assert set(facts) == {"person"}


@pytest.mark.parametrize("name", ["proof", "second_factor", "signed_in"])
@pytest.mark.parametrize("person", [8, None])
def test_a_proof_names_the_claimed_person(name: str, person: int | None) -> None:
    """A proof of another person, or of no one, raises BrokenFlow."""
    with pytest.raises(BrokenFlow, match=f"{name} names another person"):
        add_facts(dict(ALICE), {name: {"person": person}}, EVERYTHING)


@pytest.mark.parametrize("claimed", [{}, {"person": {"id": None, "name": "nobody"}}])
def test_an_unknown_person_cannot_be_proved(claimed: dict[str, object]) -> None:
    """A proof without a known person is none, even one that names no one itself."""
    with pytest.raises(BrokenFlow):
        add_facts(dict(claimed), {"proof": {"person": None, "method": "pwd"}}, EVERYTHING)


def test_a_stage_gives_only_what_it_declares() -> None:
    """A fact that the stage does not declare raises BrokenFlow, with any outcome."""
    with pytest.raises(BrokenFlow, match="gave signed_in, which it does not declare"):
        add_facts(dict(ALICE), {"signed_in": {"person": 7}}, {"person"})


@pytest.mark.parametrize(
    ("methods", "second"), [(["pwd"], False), (["pwd", "otp"], True), (["hwk"], True), (["otp"], False)]
)
def test_a_session_seeds_what_it_proved(
    acme: Tenant, door: Callable[..., Door], methods: list[str], second: bool
) -> None:
    """A second factor only where one was used; never a request, never consent."""
    door().sign_in()
    session = Session.objects.select_related("person").get()
    session.methods = methods
    facts = session_facts(session)
    assert set(facts) == {"person", "proof", "signed_in"} | ({"second_factor"} if second else set())
    assert all(fact["person"] == session.person_id for name, fact in facts.items() if name != "person")
