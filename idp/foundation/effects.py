"""Effects: what a stage wants done, as frozen values.

Each names one function of the domain and lives beside it.
"""

from dataclasses import fields
from typing import Any, ClassVar

from django.utils.functional import Promise

from idp.foundation.facts import Facts


class EffectConflict(Exception):
    """An effect could not be applied: its compare-and-set found a state other than the stage had seen.

    ``final``: no other input on this page would help, so the run ends with the message.
    """

    def __init__(self, message: str | Promise, *, final: bool = False) -> None:
        super().__init__(message)
        self.message, self.final = message, final


class Effect:
    """Base of every effect: a frozen dataclass.

    Secret members are declared with ``field(repr=False)``.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def apply(self) -> Any:
        """Apply the effect inside the engine's transaction; raise :class:`EffectConflict`.

        The result is passed to the browser's port.
        """
        raise NotImplementedError(f"{type(self).__name__} says nothing about how it is applied.")

    def new_facts(self, result: Any) -> Facts:
        """Return facts that only exist after ``apply``, from its result (None in a dry run)."""
        return Facts()

    def describe(self) -> dict[str, Any]:
        """Return the name and the members without secrets, for dry runs and logs."""
        open_members = {member.name: getattr(self, member.name) for member in fields(self) if member.repr}
        return {"effect": type(self).__name__, **open_members}
