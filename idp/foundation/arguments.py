"""Helpers for command arguments: numbers within limits, and suggestions for unknown names."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable

from idp.foundation.text import did_you_mean, printable_line

_MAX_NAMES = 20
_MAX_DIGITS = 30


def number(least: int, most: int) -> Callable[[str], int]:
    """Return a ``type`` for argparse: a whole number within limits."""

    def parse(text: str) -> int:
        digits = text.removeprefix("-") if least < 0 else text
        if not digits.isdecimal() or len(digits) > _MAX_DIGITS or not least <= int(text) <= most:
            raise ArgumentTypeError(f"a whole number from {least:,} to {most:,}, not {text[:_MAX_DIGITS]!r}")
        return int(text)

    return parse


def list_available(names: Iterable[str], none: str = "") -> str:
    """Return `` TenantContents are: …`` with the first of these names, or ``none`` without any.

    It follows a sentence about a name that does not exist.
    """
    existing = sorted(names)
    more = [f"and {len(existing) - _MAX_NAMES} more"] if len(existing) > _MAX_NAMES else []
    return (
        f" There are: {', '.join([*map(printable_line, existing[:_MAX_NAMES]), *more])}."
        if existing
        else none
    )


def suggest_name(name: str, names: Iterable[str]) -> str:
    """Return a suggestion of the most similar name, as a sentence; otherwise the list of all names."""
    existing = list(names)
    return did_you_mean(name, existing, list_available(existing))
