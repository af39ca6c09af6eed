"""What a stage wants done, as frozen values; each names one verb of the domain and lives beside it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

from django.utils.functional import Promise


class EffectLost(Exception):
    """Somebody else was first: the verb's compare-and-set found another state than the stage had seen.

    ``final``: nothing that the person could enter on this page would help, so the run ends with the message.
    """

    def __init__(self, message: str | Promise, *, final: bool = False) -> None:
        super().__init__(message)
        self.message, self.final = message, final


class Effect:
    """Base of every effect: a frozen dataclass whose secret members are declared with
    ``field(repr=False)``.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def apply(self) -> Any:
        """Does it, inside the engine's transaction; raises :class:`EffectLost`.

        What it returns reaches the browser's port.
        """
        raise NotImplementedError(f"{type(self).__name__} says nothing about how it is applied.")

    def learned(self, result: Any) -> Mapping[str, Any]:
        """Facts that only exist once it was applied, from ``apply``'s result (None in a dry run)."""
        return {}

    def described(self) -> dict[str, Any]:
        """For dry run and logs: its name and its members, secrets left out."""
        open_members = {member.name: getattr(self, member.name) for member in fields(self) if member.repr}
        return {"effect": type(self).__name__, **open_members}
