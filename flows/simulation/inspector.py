"""Shows a run to those who may see it: its path with the reasons, its facts without secrets, its timing.

What a condition read about a person or an answer is never shown. Of the facts about a person, only those that
prove nothing and name no one are shown, unless people may be viewed. Both are decided when a run is read, so
that a row of an older release shows no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.conditions.expressions import is_public
from flows.documents.published import layout_of
from flows.engine.context import topic_of
from flows.engine.executor import NoSuchRun
from flows.models import Run as RunRow
from flows.models import Version
from flows.run import State
from idp.events.bus import publish
from idp.foundation.sealing import Sealed

_REDACTED = "•••"
_IMPERSONAL = {"method", "methods", "at", "kind", "scopes", "application", "device", "flow"}


@dataclass(frozen=True)
class StepTrace:
    """One layout node that the run reached.

    ``condition``: its source, whether it applied and what it read of request and configuration.

    ``asked`` and ``decided``: milliseconds after the start, None where it was never entered or is not decided
    yet.
    """

    step: str
    stage: str
    decision: str
    condition: Mapping[str, Any] | None
    asked: int | None
    decided: int | None


@dataclass(frozen=True)
class Inspection:
    """A run as an administrator sees it; ``end``: how it ended, "" while it is in progress."""

    run: str
    flow: str
    version: int
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end: str
    message: str
    at: str
    path: tuple[StepTrace, ...]
    facts: Mapping[str, Any]


def load_inspection(identifier: str, *, may_view_people: bool) -> Inspection:
    """Return the run with this identifier; raise NoSuchRun. The caller checks the permission.

    ``may_view_people``: whether names and sessions may be seen too.
    """
    row = RunRow.objects.select_related("version__flow").filter(identifier=identifier).first()
    if row is None:
        raise NoSuchRun
    state = State.load(row.state)
    end = state.end or {}
    return Inspection(
        run=row.identifier,
        flow=row.version.flow.name,
        version=row.version.number,
        started_at=row.started_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        end=end.get("kind", ""),
        message=end.get("message", ""),
        at=state.at or "",
        path=tuple(_path(row, state)),
        facts={
            name: _redact_sealed(_redact_person(name, fact, people=may_view_people))
            for name, fact in state.facts.dump().items()
        },
    )


def inspect_run(identifier: str, *, by: str, may_view_people: bool, flow: str = "") -> Inspection:
    """Return the run with this identifier and record an event about the access, as the run is about a person.

    Raise NoSuchRun, also for a run of another flow than ``flow``.
    """
    found = load_inspection(identifier, may_view_people=may_view_people)
    if flow and found.flow != flow:
        raise NoSuchRun
    publish("flow.inspected", actor=by, target=found.flow, topic=topic_of(found.run), run=found.run)
    return found


def _path(row: RunRow, state: State) -> list[StepTrace]:
    versions = Version.objects.in_bulk([notes["version"] for notes in state.before])
    passages = []
    for notes in [
        *state.before,
        {"version": row.version_id, **{name: getattr(state, name) for name in ("decided", "times", "read")}},
    ]:
        version = row.version if notes["version"] == row.version_id else versions.get(notes["version"])
        nodes = layout_of(version).by_id if version else {}
        reached = notes["decided"].keys() | notes["times"].keys()
        # PostgreSQL does not preserve the order of keys
        for step in [*(step for step in nodes if step in reached), *sorted(reached - nodes.keys())]:
            asked, decided = notes["times"].get(step, (None, None))
            kind = nodes[step].definition.stage or nodes[step].definition.kind if step in nodes else ""
            passages.append(
                StepTrace(
                    step,
                    kind,
                    notes["decided"].get(step, "asks"),
                    _public_condition(notes["read"].get(step)),
                    asked,
                    decided,
                )
            )
    return passages


def _public_condition(read: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return read and {
        **read,
        "values": {name: value for name, value in read.get("values", {}).items() if is_public(name)},
    }


def _redact_person(name: str, fact: Any, *, people: bool) -> Any:
    """Return the fact without values that may not be seen.

    A name that no person has is always left out, because people type passwords there by mistake.
    """
    if not isinstance(fact, Mapping):
        return fact if people else _REDACTED
    if not people:
        return {key: value if key in _IMPERSONAL else _REDACTED for key, value in fact.items()}
    return (
        {**fact, "name": _REDACTED}
        if name == "person" and fact.get("id") is None and fact.get("name")
        else fact
    )


def _redact_sealed(value: Any) -> Any:
    """Return the value without anything sealed; the check is by type, so that no name can be forgotten."""
    if isinstance(value, Sealed):
        return _REDACTED
    if isinstance(value, Mapping):
        return {key: _redact_sealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_sealed(item) for item in value]
    return value
