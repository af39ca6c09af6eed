"""The difference between two flows, step by step, as administrators read it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flows.documents.document import FlowDocument, StepDocument

ChangeKind = Literal["added", "removed", "moved", "changed"]


@dataclass(frozen=True)
class Change:
    """One difference.

    ``step`` "": the flow itself; ``key`` with dots; ``old`` and ``new`` are JSON values, None where absent.
    """

    kind: ChangeKind
    step: str
    key: str = ""
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        where = self.step or "flow"
        if self.kind == "added":
            return f"+ {where}: {self.new}"
        if self.kind == "removed":
            return f"- {where}: {self.old}"
        if self.kind == "moved":
            return f"↕ {where}: {self.old} → {self.new}"
        return f"~ {where}: {self.key}: {_shorten(self.old)} → {_shorten(self.new)}"


def diff_flows(old: FlowDocument, new: FlowDocument) -> list[Change]:
    """Return the changes of the flow and of each of its steps, matched by ID; [] when they are equal."""
    before, after = dict(_steps(old.steps)), dict(_steps(new.steps))
    changes = [*_key_changes("", _header(old), _header(new))]
    changes += [
        Change("removed", name, old=_describe_step(before[name].step)) for name in before if name not in after
    ]
    moved = _moved(before, after)
    for name, place in after.items():
        if name not in before:
            changes.append(Change("added", name, new=f"{_describe_step(place.step)}{_describe_place(place)}"))
            continue
        if name in moved or before[name].within != place.within:
            changes.append(
                Change(
                    "moved",
                    name,
                    old=_describe_place(before[name]).strip(),
                    new=_describe_place(place).strip(),
                )
            )
        changes += _key_changes(name, _content(before[name].step), _content(place.step))
    return changes


@dataclass(frozen=True)
class _Place:
    step: StepDocument
    within: str
    after: str


def _steps(steps: tuple[StepDocument, ...], within: str = "") -> Iterator[tuple[str, _Place]]:
    after = ""
    for step in steps:
        yield step.id, _Place(step, within, after)
        yield from _steps(step.steps, step.id)
        after = step.id


def _moved(before: Mapping[str, _Place], after: Mapping[str, _Place]) -> set[str]:
    """Return the smallest set of steps that must have moved, section by section.

    They are the steps outside of the longest sequence that kept its order.
    """
    positions, best = {name: at for at, name in enumerate(before)}, dict[str, list[list[str]]]()
    common = [name for name in after if name in before and before[name].within == after[name].within]
    for name in common:
        runs = best.setdefault(after[name].within, [])
        longest = max((run for run in runs if positions[run[-1]] < positions[name]), key=len, default=[])
        runs.append([*longest, name])
    return set(common) - {name for runs in best.values() for name in max(runs, key=len)}


def _key_changes(step: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            yield Change("changed", step, key, old.get(key), new.get(key))


def _header(document: FlowDocument) -> dict[str, Any]:
    return {key: value for key, value in _flatten(document.as_json()).items() if not key.startswith("steps")}


def _content(step: StepDocument) -> dict[str, Any]:
    return _flatten(step.model_dump(mode="json", exclude_defaults=True, exclude={"id", "steps"}))


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= (
            _flatten(item, f"{prefix}{key}.") if isinstance(item, dict) and item else {f"{prefix}{key}": item}
        )
    return found


def _describe_step(step: StepDocument) -> str:
    return str(step.stage or (f"group {step.group}" if step.group else f"flow {step.flow}"))


def _describe_place(place: _Place) -> str:
    after = f" after {place.after}" if place.after else " first"
    return f"{after} in {place.within}" if place.within else after


def _shorten(value: Any) -> str:
    if value is None:
        return "—"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
