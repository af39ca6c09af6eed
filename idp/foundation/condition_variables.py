"""Condition variables: what an app contributes to the variables that the flow engine collects."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.utils import timezone

from idp.foundation.facts import Facts

VariableType = Literal["string", "int", "bool", "list(string)", "map(string)", "timestamp", "duration"]
EMPTY_VALUES: Mapping[VariableType, Any] = {
    "string": "",
    "int": 0,
    "bool": False,
    "list(string)": [],
    "map(string)": {},
    "timestamp": datetime.fromtimestamp(0, UTC),
    "duration": timedelta(0),
}
"""The value of a variable of each type where there is none."""
Subject = Literal["person", "answer", "request", "configuration"]
DISCLOSABLE_SUBJECTS: frozenset[Subject] = frozenset({"request", "configuration"})
"""Subjects whose values may be stored and shown as the reason for a decision.

A person's data and answers never are.
"""


@dataclass(frozen=True)
class EvaluationContext:
    """What a variable is evaluated against: the facts of the run, the request, and the steps' outputs.

    ``country``: given in a dry run; otherwise it is determined from the address.
    """

    facts: Facts
    address: str
    agent: str
    now: datetime = field(default_factory=timezone.now)
    steps: Mapping[str, Any] = field(default_factory=dict)
    country: str | None = None
    _found: dict[tuple[str, Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def load_once(self, kind: str, key: Any, find: Callable[[Any], Any]) -> Any:
        """Return ``find(which)``, called once for all variables about the same object."""
        if (kind, key) not in self._found:
            self._found[kind, key] = find(key)
        return self._found[kind, key]


@dataclass(frozen=True)
class Variable:
    """A declared variable: its CEL type, how its value is loaded, and its description.

    ``required_fact``: the fact without which it has no meaning. ``subject``: whose data its value is;
    undeclared, it counts as a person's. ``unavailable_reason``: a sentence where this installation cannot
    know the value, else ""; a flow that reads it is then not published. ``choices``: all possible values, of
    it or of its list's items, in the tenant in scope, and ``value_kind`` what they are; a condition that
    compares with other text gets a warning. ``hint``: a sentence where it is always empty in that tenant so
    far, else "".
    """

    type: VariableType
    load: Callable[[EvaluationContext], Any]
    required_fact: str | None = None
    doc: str = ""
    subject: Subject = "person"
    unavailable_reason: Callable[[], str] | None = None
    value_kind: str = ""
    choices: Callable[[], Collection[str]] | None = None
    hint: Callable[[], str] | None = None
