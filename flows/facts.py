"""Facts: what a run has learned. Claimed and proved are two facts, and a proof names its person.

person         a person was identified            {"id": 7 or None, "name": "alice"}
proof          the person was authenticated       {"person": 7, "method": "pwd", "at": "…"}
second_factor  a second factor was verified       {"person": 7, "method": "otp", "at": "…"}
signed_in      the person has a session           {"person": 7, "session": 3, "at": "…", "methods": ["pwd"]}
request        the request is known               {"kind": "device", "application": 1, "scopes": […], …}
consent        the person approved the request    {"device": 5, "scopes": […]}
credential     a sign-in method was set up        {"person": 7, "kind": "totp", "at": "…"}
signed_out     the session was ended              {"session": 3}

A second factor that was only set up in this run says "enrolled": true, and no session takes it over.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from flows.settings import Text
from idp.accounts.credentials import has_second_factor
from idp.accounts.models import Session
from idp.accounts.reauthentication import ProofTimes, required_fields

PROOFS = ("proof", "second_factor", "signed_in")
PERSON_FACTS = (*PROOFS, "consent", "credential")
NEVER_SEEDED = ("consent", "credential", "signed_out")
SECOND_FACTOR_METHODS = {"otp", "hwk", "swk"}


class BrokenFlow(Exception):
    """The flow is misconfigured: the run is refused and the administrators are notified."""


def session_facts(session: Session) -> dict[str, Any]:
    """Return the facts that a living session proves."""
    return build_session_facts(
        session.person_id, session.person.username, session.pk, session.authenticated_at, session.proof_times
    )


def build_session_facts(
    person_id: int, name: str, session: int, moment: datetime, proofs: Mapping[str, datetime]
) -> dict[str, Any]:
    """Return the facts that a session with these properties proves.

    ``proofs``: when each method was proved, the first one first; each fact carries the time of its own proof.
    """
    methods = list(proofs)
    facts: dict[str, Any] = {
        "person": {"id": person_id, "name": name},
        "signed_in": {"person": person_id, "at": moment.isoformat(), "session": session, "methods": methods},
    }
    first = [method for at, method in enumerate(methods) if not at or method not in SECOND_FACTOR_METHODS]
    proof_at = max((proofs[method] for method in first), default=moment)
    facts["proof"] = {
        "person": person_id,
        "at": proof_at.isoformat(),
        "method": methods[0] if methods else "",
    }
    # A code is a second factor only after another method; an unlocked key counts as both factors.
    if factors := [
        method
        for at, method in enumerate(methods)
        if method in SECOND_FACTOR_METHODS and (at or method != "otp")
    ]:
        newest = max(factors, key=lambda method: proofs[method])
        facts["second_factor"] = {"person": person_id, "at": proofs[newest].isoformat(), "method": newest}
    return facts


def proof_times(facts: Mapping[str, Any]) -> ProofTimes:
    """Return when the person was proved, and when by a second factor, for checks of the age of proofs.

    Setting up a second factor in the run counts too.
    """
    dated = [name for name in ("proof", "second_factor", "credential") if "at" in facts.get(name, {})]
    at = {name: datetime.fromisoformat(facts[name]["at"]) for name in dated}
    second = max((at[name] for name in ("second_factor", "credential") if name in at), default=None)
    return ProofTimes(at.get("proof"), second)


def lacks_second_factor(facts: Mapping[str, Any]) -> bool:
    """Return whether no second factor was verified or set up in this run.

    Then a factor that is set up may only be the person's first one.
    """
    return not {"second_factor", "credential"} & set(facts)


def credential_change_refusal(facts: Mapping[str, Any], now: datetime) -> Text:
    """Return why this run may not change how its person signs in, "" where it may.

    It may if everything that the account has was proved within the last minutes.
    """
    person = facts["signed_in"]["person"]
    if required_fields(person, proof_times(facts), now) == ():
        return ""
    if has_second_factor(person) and lacks_second_factor(facts):
        return _(
            "To change your sign-in methods, first sign in with your authenticator app or a recovery code."
        )
    return _("You signed in too long ago. Sign out, sign in again, and come back within 10 minutes.")


def add_facts(
    facts: dict[str, Any], new_facts: Mapping[str, Any], allowed: set[str] | frozenset[str]
) -> None:
    """Add ``new_facts`` to the facts of a run.

    Raise BrokenFlow for a name that the stage does not give, and for a proof of any person but the claimed
    one. Claiming another person drops every proof, factor and consent.
    """
    if undeclared := sorted(set(new_facts) - set(allowed)):
        raise BrokenFlow(f"A stage gave {', '.join(undeclared)}, which it does not declare.")
    if "person" in new_facts and _claimed_person(new_facts) != _claimed_person(facts):
        for name in PERSON_FACTS:
            facts.pop(name, None)
    if "signed_out" in new_facts:
        for name in ("person", *PERSON_FACTS):
            facts.pop(name, None)
    facts.update(new_facts)
    for name in PROOFS:
        if name in new_facts and (
            _claimed_person(facts) is None or new_facts[name].get("person") != _claimed_person(facts)
        ):
            raise BrokenFlow(f"{name} names another person than the one who was claimed.")


def _claimed_person(facts: Mapping[str, Any]) -> Any:
    return (facts.get("person") or {}).get("id")
