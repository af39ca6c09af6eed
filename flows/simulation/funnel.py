"""Counts the results of runs for each step of each version, and then deletes the runs.

The counts contain nothing about any person.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from flows.conditions.expressions import STEPS_PREFIX, BadCondition, is_public
from flows.documents.layout import LayoutNode
from flows.documents.published import layout_of
from flows.facts import BrokenFlow
from flows.models import Run, StepCount, Version
from flows.run import State

WHOLE_RUN = ""  # the key of the whole run, instead of a step
_SUCCESSFUL_ENDS = ("finished", "last", "leave")
_BUCKETS = 12  # up to 1, 2, 4 … 1024 seconds, and longer


@dataclass
class FunnelCount:
    """The results of the runs that reached a step.

    ``milliseconds``: the total of all that finished it; ``buckets``: how many of these took up to 1, 2, 4 …
    seconds.
    """

    reached: int = 0
    finished: int = 0
    refused: int = 0
    left: int = 0
    milliseconds: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)

    def add(self, result: str, milliseconds: int) -> None:
        """Add one result."""
        self.reached += 1
        setattr(self, result, getattr(self, result) + 1)
        if result == "finished":
            self.milliseconds += milliseconds
            seconds = max(0, milliseconds - 1) // 1000
            self.buckets[min(seconds.bit_length(), _BUCKETS - 1)] += 1

    @property
    def mean_seconds(self) -> float:
        """The mean duration of those that finished."""
        return self.milliseconds / self.finished / 1000 if self.finished else 0.0

    @property
    def median_seconds(self) -> int:
        """The smallest power of two that half of those that finished did not exceed; 0 when none finished."""
        so_far = 0
        for at, many in enumerate(self.buckets):
            so_far += many
            if so_far * 2 >= self.finished > 0:
                return int(2**at)
        return 0


def count_active_runs(flow: str) -> int:
    """Return how many runs of a flow are in progress."""
    return Run.objects.filter(version__flow__name=flow, ended_at=None).count()


def sweep(now: datetime, batch: int = 500) -> int:
    """Count one batch of ended runs and delete one batch of expired ones; return the number of rows."""
    with transaction.atomic():
        over = Run.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            Q(ended_at__isnull=False) | Q(expires_at__lte=now), counted=False
        )
        rows = list(over.order_by("pk")[:batch])
        _count_runs(rows, now)
        Run.objects.filter(pk__in=[row.pk for row in rows]).update(counted=True)
    stale = list(Run.objects.filter(expires_at__lte=now, counted=True).values_list("pk", flat=True)[:batch])
    return len(rows) + (Run.objects.filter(pk__in=stale).delete()[0] if stale else 0)


def funnel(version: Version, *, may_view_people: bool) -> dict[str, FunnelCount]:
    """Return the counts of a version by step, the whole run under ``""``, without runs in progress.

    ``may_view_people``: whether the user may view people; others do not see the steps of
    :func:`private_steps`.
    """
    names = ("reached", "finished", "refused", "left", "milliseconds", "buckets")
    rows = list(StepCount.objects.filter(version=version))
    hidden = frozenset() if may_view_people else private_steps(version, {row.step for row in rows})
    return {
        row.step: FunnelCount(**{name: getattr(row, name) for name in names})
        for row in rows
        if row.step not in hidden
    }


def private_steps(version: Version, counted: Collection[str] = ()) -> frozenset[str]:
    """Return the steps whose counts reveal what people are or have typed.

    A flow of many conditions could read an answer letter by letter.

    These are the steps under a condition that reads such a value, or the decision of a step, and everything
    in a section or sub-flow with one of them. For a flow that cannot be parsed it is all of ``counted``.
    """
    try:
        nodes = layout_of(version).nodes
    except BrokenFlow:
        return frozenset(counted) - {WHOLE_RUN}
    roots = {_root(node) for node in nodes if _reads_people(node)}
    return frozenset(node.id for node in nodes if _root(node) in roots)


def _root(node: LayoutNode) -> str:
    """Return the ID of the outermost node around it."""
    return node.ancestors[0] if node.ancestors else node.id


def _reads_people(node: LayoutNode) -> bool:
    try:
        condition = node.condition
    except BadCondition:
        return True
    return condition is not None and any(
        name.startswith(STEPS_PREFIX) or not is_public(name) for name in condition.names
    )


def _count_runs(rows: list[Run], now: datetime) -> None:
    counts: dict[tuple[int, str], FunnelCount] = defaultdict(FunnelCount)
    for row in rows:
        for version, step, result, took in _iter_results(row, State.load(row.state), now):
            counts[version, step].add(result, took)
    existing = set(
        Version.objects.filter(pk__in={version for version, _ in counts}).values_list("pk", flat=True)
    )
    for (version, step), count in sorted(counts.items()):
        if version in existing:
            _add_counts(version, step, count)


def _add_counts(version: int, step: str, counted: FunnelCount) -> None:
    StepCount.objects.get_or_create(version_id=version, step=step, defaults={"buckets": [0] * _BUCKETS})
    stored = StepCount.objects.select_for_update().get(version_id=version, step=step)
    for name in ("reached", "finished", "refused", "left", "milliseconds"):
        setattr(stored, name, getattr(stored, name) + getattr(counted, name))
    stored.buckets = [old + new for old, new in zip(stored.buckets, counted.buckets, strict=True)]
    stored.save()


def _iter_results(row: Run, state: State, now: datetime) -> Iterator[tuple[int, str, str, int]]:
    """Yield version, step, result and milliseconds for each entered step and for the whole run."""
    kind = (state.end or {}).get("kind", "expired")
    for notes in [*state.before, {"version": row.version_id, "decided": state.decided, "times": state.times}]:
        for step, (asked, decided) in notes["times"].items():
            result = _result(notes["decided"].get(step), kind if step == state.at else "")
            yield notes["version"], step, result, max(0, (decided or 0) - (asked or 0))
    yield (
        row.version_id,
        WHOLE_RUN,
        _run_result(kind),
        round(((row.ended_at or now) - row.started_at).total_seconds() * 1000),
    )


def _run_result(end: str) -> str:
    if end in _SUCCESSFUL_ENDS:
        return "finished"
    return "refused" if end == "denied" else "left"


def _result(decision: Any, end: str) -> str:
    if decision in ("done", "known before") or end in _SUCCESSFUL_ENDS:
        return "finished"
    return "refused" if decision == "refused" else "left"
