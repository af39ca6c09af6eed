"""The IDs of steps: new ones that are not in use, and references that follow a renamed step."""

import re
from collections.abc import Iterator
from typing import Any

from flows.conditions.expressions import STRING_LITERAL
from flows.documents.document import StepDocument
from flows.documents.layout import condition_name

Json = dict[str, Any]
_REFERENCE = re.compile(r"\bsteps\.([A-Za-z0-9_]+)")


def iter_steps(step: Json) -> Iterator[Json]:
    yield step
    for inner in step.get("steps", []):
        yield from iter_steps(inner)


def ids_of(steps: tuple[StepDocument, ...]) -> set[str]:
    return {name for step in steps for name in (step.id, *ids_of(step.steps))}


def unused_id(name: str, taken: set[str]) -> str:
    """Return an unused ID that conditions can tell from all others, such as ``password-2``."""
    stem = re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-_.")[:44] or "step"
    used, number = {condition_name(each) for each in taken}, 2
    if condition_name(stem) not in used:
        return stem
    stem = re.sub(r"-\d+$", "", stem)
    while condition_name(f"{stem}-{number}") in used:
        number += 1
    return f"{stem}-{number}"


def rename_references(data: Json, old: str, new: str) -> None:
    """Rename a step in all conditions and tests that refer to it."""
    for step in (each for top in data["steps"] for each in iter_steps(top)):
        if step.get("when"):
            step["when"] = _rename_in_condition(step["when"], condition_name(old), condition_name(new))
    for test in data["tests"]:
        for key in ("answers", "expect"):
            test[key] = {_replace_prefix(name, old, new): value for name, value in test[key].items()}


def _replace_prefix(name: str, old: str, new: str) -> str:
    """Return the name under the new step ID; names in a sub-flow have the ID of its step as prefix."""
    return new + name.removeprefix(old) if name == old or name.startswith(f"{old}.") else name


def _rename_in_condition(source: str, old: str, new: str) -> str:
    """Return the condition with a step renamed; string literals stay unchanged."""

    def rename_in(piece: str) -> str:
        return _REFERENCE.sub(lambda match: f"steps.{new}" if match[1] == old else match[0], piece)

    end, found = 0, []
    for literal in STRING_LITERAL.finditer(source):
        found += [rename_in(source[end : literal.start()]), literal[0]]
        end = literal.end()
    return "".join([*found, rename_in(source[end:])])
