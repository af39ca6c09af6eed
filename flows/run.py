"""A run as stages see it, and its state as the row stores it: JSON, no raw answers, secrets sealed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from flows.facts import Facts, session_facts
from idp.accounts.known_browsers import KnownBrowser
from idp.accounts.models import Person, Session
from idp.accounts.people import find
from idp.foundation.sealing import Sealed

Decision = Literal["entered", "done", "passed over", "known before", "refused"]


class Client(Protocol):
    """The client of a run: a browser (cookies) or a JSON client (the run's own secret)."""

    @property
    def nonce(self) -> str:
        """A value that identifies the browser or program, but no person."""

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
    def known_browser(self) -> KnownBrowser:
        """The people who signed in on this browser before."""

    def on_commit(self, results: list[Any]) -> None:
        """Receive the results of a step's effects after its transaction is committed."""


@dataclass(frozen=True)
class Run:
    """The part of a run that a stage may read.

    ``facts``: learned so far. ``step_state``: what this step stored. ``hints``: passed along by the entry
    point (nothing proven). ``step``: the ID of the current step. ``known_browser``: the people who signed in
    on this browser before.
    """

    identifier: str
    flow: str
    facts: Facts
    step_state: Mapping[str, Any]
    hints: Mapping[str, Any]
    browser: str
    session: int | None
    address: str
    agent: str
    now: datetime
    step: str = ""
    known_browser: KnownBrowser = field(default_factory=KnownBrowser)

    @property
    def person(self) -> Person | None:
        """The claimed person, if they exist; this is no proof yet."""
        return find(self.facts.claimed_person) if "person" in self.facts else None

    @property
    def signed_in(self) -> int | None:
        """The person of the session to which the run belongs."""
        return self.facts.signed_in.person if "signed_in" in self.facts else None

    @property
    def claimed_name(self) -> str:
        """The name as it was typed."""
        return self.facts.person.name if "person" in self.facts else ""


@dataclass
class State:
    """The engine's record of a run.

    ``decided``, ``outputs`` and ``read`` are keyed by the IDs of layout nodes, in no order (the layout has
    it). ``times`` holds when each was entered and when it was decided, in milliseconds since the run began.
    ``before``: the same record for flows that the run has left for the application's own. ``answered``:
    whether any step of the run was answered.
    """

    facts: Facts = field(default_factory=Facts)
    seeds: list[str] = field(default_factory=list)
    hints: dict[str, Any] = field(default_factory=dict)
    decided: dict[str, Decision] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: dict[str, list[int | None]] = field(default_factory=dict)
    before: list[dict[str, Any]] = field(default_factory=list)
    at: str | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    held: bool = False
    end: dict[str, str] | None = None
    answered: bool = False

    @classmethod
    def begin(cls, session: Session | None, hints: Mapping[str, Any]) -> "State":
        """Return the state of a new run; what the session proves is known before."""
        facts = session_facts(session) if session else Facts()
        return cls(facts=facts, seeds=sorted(facts.names), hints=dict(hints))

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> "State":
        """Return the state in the row's JSON; raise ValueError for facts of any other shape."""
        members = {name: _decode(value) for name, value in stored.items()}
        return cls(**{**members, "facts": Facts.load(members["facts"])})

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON for the row."""
        return {name: _encode(value) for name, value in {**vars(self), "facts": self.facts.dump()}.items()}

    def ask(self, step: str, at: int) -> None:
        """Record that the run entered this step, ``at`` milliseconds after it began."""
        self.at = step
        self.times.setdefault(step, [at, None])

    def decide(
        self, step: str, decision: Decision, outputs: Mapping[str, Any] | None = None, at: int | None = None
    ) -> None:
        """Record the decision and, sealed, the outputs of a step; delete what the step had stored.

        The outputs are only for later conditions.
        """
        self.decided[step] = decision
        sealed = {name: Sealed.of(json.dumps(value)) for name, value in (outputs or {}).items()}
        self.outputs[step] = {**sealed, "decision": decision}
        if step in self.times:
            self.times[step][1] = at
        self.at, self.kept, self.held = None, {}, False


def _encode(value: Any) -> Any:
    if isinstance(value, Sealed):
        return {"$sealed": value.sealed}
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            Sealed(value["$sealed"])
            if set(value) == {"$sealed"}
            else {key: _decode(item) for key, item in value.items()}
        )
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value
