"""Facts: what a run has learned. Claimed and proved are two facts, and a proof names its person.

person         somebody's name was typed             {"id": 7 or None, "name": "alice"}
proof          that person was proved                {"person": 7, "method": "pwd", "at": "…"}
second_factor  by a second kind of proof             {"person": 7, "method": "otp", "at": "…"}
signed_in      a session holds                       {"person": 7, "session": 3, "at": "…", "methods": ["pwd"]}
request        what is asked for is known            {"kind": "device", "application": 1, "scopes": […], "flow": "…", …}
consent        the person agreed to it               {"device": 5, "scopes": […]}
credential     something to prove oneself with was set up  {"person": 7, "kind": "totp"}
signed_out     the session was ended                 {"session": 3}
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.accounts.models import Session

PROOFS = ("proof", "second_factor", "signed_in")
ABOUT_A_PERSON = (*PROOFS, "consent", "credential")
NEVER_SEEDED = ("consent", "credential", "signed_out")
SECOND_FACTOR_METHODS = {"otp", "hwk", "swk"}


class BrokenFlow(Exception):
    """The flow asks for something that cannot be: the run is refused and the administrator is told."""


def seeded(session: Session) -> dict[str, Any]:
    """The facts that a living session proves."""
    return proved(session.person_id, session.person.username, session.pk, session.authenticated_at, list(session.methods))


def proved(person_id: int, name: str, session: int, moment: datetime, methods: list[str]) -> dict[str, Any]:
    """The same, told by its parts."""
    person: dict[str, Any] = {"person": person_id, "at": moment.isoformat()}
    facts: dict[str, Any] = {
        "person": {"id": person_id, "name": name},
        "proof": {**person, "method": methods[0] if methods else ""},
        "signed_in": {**person, "session": session, "methods": methods},
    }
    # A code is a second factor only beside something else; a key that was unlocked is two in one.
    if factors := [method for at, method in enumerate(methods) if method in SECOND_FACTOR_METHODS and (at or method != "otp")]:
        facts["second_factor"] = {**person, "method": factors[0]}
    return facts


def learn(facts: dict[str, Any], news: Mapping[str, Any], allowed: set[str] | frozenset[str]) -> None:
    """Adds ``news``; raises BrokenFlow for a name that the stage does not give, and for a proof of anybody but the claimed person.

    Claiming somebody else drops every proof, factor and consent.
    """
    if strange := sorted(set(news) - set(allowed)):
        raise BrokenFlow(f"A stage gave {', '.join(strange)}, which it does not declare.")
    if "person" in news and _who(news) != _who(facts):
        for name in ABOUT_A_PERSON:
            facts.pop(name, None)
    if "signed_out" in news:
        for name in ("person", *ABOUT_A_PERSON):
            facts.pop(name, None)
    facts.update(news)
    for name in PROOFS:
        if name in news and (_who(facts) is None or news[name].get("person") != _who(facts)):
            raise BrokenFlow(f"{name} names another person than the one who was claimed.")


def _who(facts: Mapping[str, Any]) -> Any:
    return (facts.get("person") or {}).get("id")
