"""The words of conditions: what a domain app contributes to the vocabulary that the engine collects."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.utils import timezone

WordType = Literal["string", "int", "bool", "list(string)", "map(string)", "timestamp", "duration"]
ABSENT: Mapping[WordType, Any] = {
    "string": "",
    "int": 0,
    "bool": False,
    "list(string)": [],
    "map(string)": {},
    "timestamp": datetime.fromtimestamp(0, UTC),
    "duration": timedelta(0),
}
"""What a word of each type says where there is nothing to say."""
Subject = Literal["person", "answer", "request", "configuration"]
OPEN: frozenset[Subject] = frozenset({"request", "configuration"})
"""Subjects whose values may be kept and shown as the reason of a decision; a person's data and answers never
are.
"""


@dataclass(frozen=True)
class About:
    """What a word is looked up in: the facts of the run, the request that is being answered, what earlier
    steps told.

    ``country``: given in a dry run; otherwise it is found from the address.
    """

    facts: Mapping[str, Any]
    address: str
    agent: str
    now: datetime = field(default_factory=timezone.now)
    steps: Mapping[str, Any] = field(default_factory=dict)
    country: str | None = None
    _found: dict[tuple[str, Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, what: str, which: Any, find: Callable[[Any], Any]) -> Any:
        """``find(which)``, asked once for all the words that are about the same thing."""
        if (what, which) not in self._found:
            self._found[what, which] = find(which)
        return self._found[what, which]


@dataclass(frozen=True)
class Word:
    """A declared name: its CEL type, how its value is found, the fact without which it means nothing, and
    what it says.

    ``about``: whose data its value is; what nobody declared counts as a person's. ``missing``: a sentence
    where this installation cannot know it, else "": a flow that reads it is then not published. ``choices``:
    all that it, or an item of its list, can say in the tenant in scope, and ``thing`` what these are: a
    condition that asks for another text is warned of. ``hint``: a sentence where it says nothing in that
    tenant yet, else "".
    """

    type: WordType
    load: Callable[[About], Any]
    needs: str | None = None
    doc: str = ""
    about: Subject = "person"
    missing: Callable[[], str] | None = None
    thing: str = ""
    choices: Callable[[], Collection[str]] | None = None
    hint: Callable[[], str] | None = None
