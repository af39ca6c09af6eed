"""What a stage may know and give, and what follows from it: the facts of a session, and the age of proofs.

The facts are :class:`idp.foundation.facts.Facts`, whose values stages of third parties import from here.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from flows.settings import Text
from idp.accounts.credentials import has_second_factor
from idp.accounts.models import Session
from idp.accounts.reauthentication import ProofTimes, required_fields
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

__all__ = [
    "Approval",
    "AssumedDevice",
    "BrokenFlow",
    "ClaimedPerson",
    "ConnectionRequest",
    "Facts",
    "MissingFact",
    "NewCredential",
    "Proof",
    "SignedIn",
    "SignedOut",
    "add_facts",
    "build_session_facts",
    "credential_change_refusal",
    "lacks_second_factor",
    "proof_times",
    "session_facts",
]

PROOFS = ("proof", "second_factor", "signed_in")
PERSON_FACTS = (*PROOFS, "consent", "credential")
NEVER_SEEDED = ("consent", "credential", "signed_out")
SECOND_FACTOR_METHODS = {"otp", "hwk", "swk"}


def session_facts(session: Session) -> Facts:
    """Return the facts that a living session proves."""
    return build_session_facts(
        session.person_id, session.person.username, session.pk, session.authenticated_at, session.proof_times
    )


def build_session_facts(
    person_id: int, name: str, session: int, moment: datetime, proofs: Mapping[str, datetime]
) -> Facts:
    """Return the facts that a session with these properties proves.

    ``proofs``: when each method was proved, the first one first; each fact carries the time of its own proof.
    """
    methods = tuple(proofs)
    first = [method for at, method in enumerate(methods) if not at or method not in SECOND_FACTOR_METHODS]
    proof_at = max((proofs[method] for method in first), default=moment)
    # A code is a second factor only after another method; an unlocked key counts as both factors.
    factors = [
        method
        for at, method in enumerate(methods)
        if method in SECOND_FACTOR_METHODS and (at or method != "otp")
    ]
    newest = max(factors, key=lambda method: proofs[method], default=None)
    return Facts(
        person=ClaimedPerson(person_id, name),
        proof=Proof(person_id, methods[0] if methods else "", proof_at),
        second_factor=Proof(person_id, newest, proofs[newest]) if newest else None,
        signed_in=SignedIn(person_id, session, moment, methods),
    )


def proof_times(facts: Facts) -> ProofTimes:
    """Return when the person was proved, and when by a second factor, for checks of the age of proofs.

    Setting up a second factor in the run counts too.
    """
    second = [facts.second_factor.at] if "second_factor" in facts else []
    second += [facts.credential.at] if "credential" in facts else []
    return ProofTimes(facts.proof.at if "proof" in facts else None, max(second, default=None))


def lacks_second_factor(facts: Facts) -> bool:
    """Return whether no second factor was verified or set up in this run.

    Then a factor that is set up may only be the person's first one.
    """
    return not {"second_factor", "credential"} & facts.names


def credential_change_refusal(facts: Facts, now: datetime) -> Text:
    """Return why this run may not change how its person signs in, "" where it may.

    It may if everything that the account has was proved within the last minutes.
    """
    person = facts.signed_in.person
    if required_fields(person, proof_times(facts), now) == ():
        return ""
    if has_second_factor(person) and lacks_second_factor(facts):
        return _(
            "To change your sign-in methods, first sign in with your authenticator app or a recovery code."
        )
    return _("You signed in too long ago. Sign out, sign in again, and come back within 10 minutes.")


def add_facts(facts: Facts, new_facts: Facts, allowed: Collection[str]) -> Facts:
    """Return the facts of a run with ``new_facts``.

    Raise BrokenFlow for a name that the stage does not give, for a fact that could not be read from the row
    again, and for a proof of any person but the claimed one. Claiming another person drops every proof,
    factor and consent.
    """
    if undeclared := sorted(new_facts.names - set(allowed)):
        raise BrokenFlow(f"A stage gave {', '.join(undeclared)}, which it does not declare.")
    try:
        new_facts = Facts.load(new_facts.dump())
    except ValueError as error:
        raise BrokenFlow(f"A stage gave a malformed fact: {error}") from error
    if "person" in new_facts and new_facts.claimed_person != facts.claimed_person:
        facts = facts.without(*PERSON_FACTS)
    if "signed_out" in new_facts:
        facts = facts.without("person", *PERSON_FACTS)
    facts |= new_facts
    for name, fact in new_facts.by_name.items():
        if isinstance(fact, Proof | SignedIn) and fact.person != facts.claimed_person:
            raise BrokenFlow(f"{name} names another person than the one who was claimed.")
    return facts
