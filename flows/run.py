"""A run as stages see it, and its state as the row keeps it: JSON, never a raw answer, secrets sealed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from flows.facts import seeded
from idp.accounts.known_browsers import KnownBrowser
from idp.accounts.models import Person, Session
from idp.accounts.people import find
from idp.foundation.sealing import Sealed

Decision = Literal["entered", "done", "passed over", "known before", "refused"]


class Client(Protocol):
    """Who walks: a browser (cookies) or a JSON client (the run's own secret)."""

    @property
    def nonce(self) -> str:
        """Names the browser, or the program, and nobody in it."""

    @property
    def session(self) -> Session | None:
        """The living session."""

    @property
    def address(self) -> str:
        """The IP address."""

    @property
    def agent(self) -> str:
        """The User-Agent header."""

    @property
    def known(self) -> KnownBrowser:
        """Who signed in here before."""

    def committed(self, results: list[Any]) -> None:
        """Told what the effects of a step returned, once its transaction is committed."""


@dataclass(frozen=True)
class Run:
    """What a stage may read: ``facts`` learned so far, ``kept`` by this very step, ``hints`` from the entry
    (nothing proven), ``step`` the id of the step that asks, ``known`` who signed in in this browser
    before.
    """

    identifier: str
    flow: str
    facts: Mapping[str, Any]
    kept: Mapping[str, Any]
    hints: Mapping[str, Any]
    browser: str
    session: int | None
    address: str
    agent: str
    now: datetime
    step: str = ""
    known: KnownBrowser = field(default_factory=KnownBrowser)

    @property
    def person(self) -> Person | None:
        """Whoever was claimed, if there is such a person: not yet a proof of anything."""
        claimed = self.facts.get("person")
        return find(claimed.get("id")) if claimed else None

    @property
    def signed_in(self) -> int | None:
        """The person of the session on which the run rests."""
        return (self.facts.get("signed_in") or {}).get("person")

    @property
    def claimed_name(self) -> str:
        """The name as it was typed."""
        return str((self.facts.get("person") or {}).get("name", ""))


@dataclass
class State:
    """The engine's own notes of a run.

    ``decided``, ``told`` and ``read`` go by the ids of boxes, in no order (the layout has it); ``times``
    holds for each box when it was asked and when it was decided, in milliseconds since the run began.
    ``before``: the same notes of flows that the run has left for the application's own. ``answered``: whether
    anybody has answered a question of the run.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    seeds: list[str] = field(default_factory=list)
    hints: dict[str, Any] = field(default_factory=dict)
    decided: dict[str, Decision] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: dict[str, list[int | None]] = field(default_factory=dict)
    before: list[dict[str, Any]] = field(default_factory=list)
    at: str | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    held: bool = False
    end: dict[str, str] | None = None
    answered: bool = False

    @classmethod
    def begin(cls, session: Session | None, hints: Mapping[str, Any]) -> "State":
        """A fresh run: what the session has proved already is known before."""
        facts = seeded(session) if session else {}
        return cls(facts=facts, seeds=sorted(facts), hints=dict(hints))

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> "State":
        """From the row's JSON."""
        return cls(**{name: _decoded(value) for name, value in stored.items()})

    def dump(self) -> dict[str, Any]:
        """To the row's JSON."""
        return {name: _encoded(value) for name, value in vars(self).items()}

    def ask(self, step: str, at: int) -> None:
        """Notes that the run has come to this box, ``at`` milliseconds after it began."""
        self.at = step
        self.times.setdefault(step, [at, None])

    def decide(
        self, step: str, decision: Decision, told: Mapping[str, Any] | None = None, at: int | None = None
    ) -> None:
        """Notes the decision and, sealed, what the step tells, for later conditions only; wipes what it had
        kept.
        """
        self.decided[step] = decision
        sealed = {name: Sealed.of(json.dumps(value)) for name, value in (told or {}).items()}
        self.told[step] = {**sealed, "decision": decision}
        if step in self.times:
            self.times[step][1] = at
        self.at, self.kept, self.held = None, {}, False


def _encoded(value: Any) -> Any:
    if isinstance(value, Sealed):
        return {"$sealed": value.sealed}
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            Sealed(value["$sealed"])
            if set(value) == {"$sealed"}
            else {key: _decoded(item) for key, item in value.items()}
        )
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value
