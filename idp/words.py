"""The words of conditions: what a domain app contributes to the vocabulary that the engine collects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class About:
    """What a word is looked up in: the facts of the run, and the request that is being answered."""

    facts: Mapping[str, Any]
    address: str
    agent: str


@dataclass(frozen=True)
class Word:
    """A declared name: its CEL type, how its value is found, and the fact without which it means nothing."""

    type: Literal["string", "int", "bool", "list(string)"]
    load: Callable[[About], Any]
    needs: str | None = None
