"""Plans, drift and results as text for people, and plans as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from blueprints.files.drift import Drift
from blueprints.files.plan import Plan
from blueprints.models import Result
from blueprints.objects.kind import ObjectChange
from idp.foundation.text import printable_line

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_PLANNED = {"create": "to create", "update": "to change", "delete": "to delete", "unchanged": "unchanged"}
_APPLIED = {"create": "created", "update": "changed", "delete": "deleted", "unchanged": "unchanged"}


def as_text(plan: Plan, style: Any, *, done: bool = False) -> str:
    """Return a plan with one line for each object and each key.

    ``style`` colors the lines on a terminal (Django's command style). ``done`` says that the plan was
    applied.
    """
    paint = {"create": style.SUCCESS, "update": style.WARNING, "delete": style.ERROR}
    lines = []
    for change in plan.effective:
        lines.append(
            paint[change.action](
                f"{_SIGNS[change.action]} {change.tenant}: {change.kind} {printable_line(change.name)}"
            )
        )
        lines += [f"    {_key_line(change, key.key, key.old, key.new)}" for key in change.keys]
    for each in plan.missing:
        name = printable_line(each.name)
        text = f"the secret {name} was generated and shown once" if done else f"the secret {name} is missing"
        lines.append(f"+ {each.tenant}: {text}" if done else style.ERROR(f"! {each.tenant}: {text}"))
    lines += [f"Note: {printable_line(note)}" for note in plan.notes]
    labels = _APPLIED if done else _PLANNED
    summary = ", ".join(f"{count} {labels[action]}" for action, count in plan.counts.items() if count)
    lines.append(f"{printable_line(plan.blueprint)}: {summary or 'no changes'}")
    if plan.effective and not done:
        lines.append(f"State: {plan.digest}")
    return "\n".join(lines)


def as_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON data."""
    return {
        "blueprint": plan.blueprint,
        "state": plan.digest,
        "counts": plan.counts,
        "changes": [_change_as_json(change) for change in plan.effective],
        "missing_secrets": [{"tenant": each.tenant, "name": each.name} for each in plan.missing],
        "notes": plan.notes,
    }


def _change_as_json(change: ObjectChange) -> dict[str, Any]:
    return {
        "tenant": change.tenant,
        "kind": change.kind,
        "name": change.name,
        "action": change.action,
        "keys": [{"key": key.key, "old": key.old, "new": key.new} for key in change.keys],
    }


def drift_as_text(found: Sequence[Drift], style: Any) -> str:
    """Return one line for each object, with who changed it, and one for each key: applied → current."""
    lines = []
    for each in found:
        author = f", by {each.by or 'an unknown person'} at {each.at}" if each.at else ""
        lines.append(
            style.WARNING(
                printable_line(f"~ {each.kind} {each.name} of the blueprint {each.blueprint}{author}")
            )
        )
        lines += [
            printable_line(f"    {key.key or each.kind}: {_value(key.old)} → {_value(key.new)}")
            for key in each.keys
        ]
    return "\n".join(lines or ["No drift."])


def result_as_text(result: Result, style: Any) -> str:
    """Return one line for the attempt and one for each message."""
    summary = ", ".join(
        f"{count} {_APPLIED[action]}"
        for action, count in result.counts.items()
        if count and action in _APPLIED
    )
    line = printable_line(
        f"{result.at:%F %T} {result.blueprint} by {result.by}: "
        f"{(summary or 'no changes') if result.succeeded else 'failed'}"
    )
    return "\n".join(
        [
            line if result.succeeded else style.ERROR(line),
            *(f"    {printable_line(message)}" for message in result.messages),
        ]
    )


def _key_line(change: ObjectChange, key: str, old: Any, new: Any) -> str:
    if change.action == "create" or old is None:
        return printable_line(f"{key}: {_value(new)}")
    return printable_line(f"{key}: {_value(old)} → {_value(new)}")


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
