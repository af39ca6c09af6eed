"""The differences between two states of a flow, as lines for the template."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from flows.documents.diff import Change
from idp.foundation.yaml_text import write
from web.console.plain_values import format_condition, format_value


@dataclass(frozen=True)
class ChangeLine:
    """One change as text.

    ``old`` and ``new`` are None where there is no value; both are "" if only the fact of the change is shown.
    """

    kind: str
    key: str
    old: str | None
    new: str | None


def group_by_step(changes: Iterable[Change]) -> list[tuple[str, list[ChangeLine]]]:
    """Return the changes by step, in their order; a step that was moved and changed has one group."""
    lines = [(each.step, line) for each in changes for line in change_lines(each)]
    return [
        (step, [line for _step, line in found]) for step, found in groupby(lines, key=lambda each: each[0])
    ]


def change_lines(change: Change) -> list[ChangeLine]:
    """Return the lines of a change; tests are only named, because their content is long."""
    if change.step or change.key != "tests":
        return [
            ChangeLine(
                change.kind,
                change.key,
                display_value(change.key, change.old),
                display_value(change.key, change.new),
            )
        ]
    old, new = ({each["name"]: each for each in tests or ()} for tests in (change.old, change.new))
    removed = [ChangeLine("removed", "", _test_name(name), None) for name in old if name not in new]
    changed = [
        ChangeLine("changed", _test_name(name), "", "")
        for name in old
        if name in new and old[name] != new[name]
    ]
    return [
        *removed,
        *changed,
        *(ChangeLine("added", "", None, _test_name(name)) for name in new if name not in old),
    ]


def _test_name(name: str) -> str:
    return _("Test “%(name)s”") % {"name": name}


def display_value(key: str, value: Any) -> str | None:
    if value is None:
        return None
    if key == "when" and isinstance(value, str):
        return format_condition(value)
    return write(value).strip() if isinstance(value, list | dict) and value else format_value(value)
