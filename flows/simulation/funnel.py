"""Counts what became of runs, for each step of each version, and then forgets the runs: the counts hold
nothing of anybody.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from flows.conditions.expressions import STEPS, BadCondition, is_open
from flows.documents.layout import Box
from flows.engine.planner import layout_of
from flows.facts import BrokenFlow
from flows.models import Run, StepCount, Version
from flows.run import State

WHOLE = ""  # in place of a step: the run as a whole
_GOOD = ("finished", "last", "leave")
_BUCKETS = 12  # up to 1, 2, 4 … 1024 seconds, and longer


@dataclass
class Count:
    """What became of those who came to a step.

    ``milliseconds``: of all that finished it, together; ``buckets``: how many of these took up to 1, 2, 4 …
    seconds.
    """

    reached: int = 0
    finished: int = 0
    refused: int = 0
    left: int = 0
    milliseconds: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)

    def note(self, fate: str, milliseconds: int) -> None:
        """One more."""
        self.reached += 1
        setattr(self, fate, getattr(self, fate) + 1)
        if fate == "finished":
            self.milliseconds += milliseconds
            seconds = max(0, milliseconds - 1) // 1000
            self.buckets[min(seconds.bit_length(), _BUCKETS - 1)] += 1

    @property
    def mean_seconds(self) -> float:
        """How long those who finished took, on average."""
        return self.milliseconds / self.finished / 1000 if self.finished else 0.0

    @property
    def median_seconds(self) -> int:
        """Half of those who finished took at most this long; a power of two, 0 when nobody did."""
        so_far = 0
        for at, many in enumerate(self.buckets):
            so_far += many
            if so_far * 2 >= self.finished > 0:
                return int(2**at)
        return 0


def under_way(flow: str) -> int:
    """How many runs of a flow are not over."""
    return Run.objects.filter(version__flow__name=flow, ended_at=None).count()


def sweep(now: datetime, batch: int = 500) -> int:
    """Counts one batch of runs that are over, and deletes one of those that have expired too; answers how
    many rows it touched.
    """
    with transaction.atomic():
        over = Run.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            Q(ended_at__isnull=False) | Q(expires_at__lte=now), counted=False
        )
        rows = list(over.order_by("pk")[:batch])
        _add(rows, now)
        Run.objects.filter(pk__in=[row.pk for row in rows]).update(counted=True)
    stale = list(Run.objects.filter(expires_at__lte=now, counted=True).values_list("pk", flat=True)[:batch])
    return len(rows) + (Run.objects.filter(pk__in=stale).delete()[0] if stale else 0)


def funnel(version: Version, *, people: bool) -> dict[str, Count]:
    """The counts of a version by step, the whole run under ``""``; runs under way are not in it yet.

    ``people``: for somebody who may look at people; others do not see what :func:`private_steps` names.
    """
    names = ("reached", "finished", "refused", "left", "milliseconds", "buckets")
    rows = list(StepCount.objects.filter(version=version))
    unseen = frozenset() if people else private_steps(version, {row.step for row in rows})
    return {
        row.step: Count(**{name: getattr(row, name) for name in names})
        for row in rows
        if row.step not in unseen
    }


def private_steps(version: Version, counted: Collection[str] = ()) -> frozenset[str]:
    """Return the steps whose counts tell what people are or have typed: a flow of many conditions would read
    an answer letter by letter.

    These are the steps under a condition that reads such a thing, or what became of a step, and whatever
    stands in a group or sub-flow with one of them. Of a flow that cannot be read it is all of ``counted``.
    """
    try:
        boxes = layout_of(version).boxes
    except BrokenFlow:
        return frozenset(counted) - {WHOLE}
    roots = {_root(box) for box in boxes if _reads_people(box)}
    return frozenset(box.id for box in boxes if _root(box) in roots)


def _root(box: Box) -> str:
    """The outermost box around it."""
    return box.within[0] if box.within else box.id


def _reads_people(box: Box) -> bool:
    try:
        condition = box.condition
    except BadCondition:
        return True
    return condition is not None and any(
        name.startswith(STEPS) or not is_open(name) for name in condition.names
    )


def _add(rows: list[Run], now: datetime) -> None:
    counts: dict[tuple[int, str], Count] = defaultdict(Count)
    for row in rows:
        for version, step, fate, took in _fates(row, State.load(row.state), now):
            counts[version, step].note(fate, took)
    there = set(
        Version.objects.filter(pk__in={version for version, _ in counts}).values_list("pk", flat=True)
    )
    for (version, step), count in sorted(counts.items()):
        if version in there:
            _store(version, step, count)


def _store(version: int, step: str, more: Count) -> None:
    StepCount.objects.get_or_create(version_id=version, step=step, defaults={"buckets": [0] * _BUCKETS})
    known = StepCount.objects.select_for_update().get(version_id=version, step=step)
    for name in ("reached", "finished", "refused", "left", "milliseconds"):
        setattr(known, name, getattr(known, name) + getattr(more, name))
    known.buckets = [old + new for old, new in zip(known.buckets, more.buckets, strict=True)]
    known.save()


def _fates(row: Run, state: State, now: datetime) -> Iterator[tuple[int, str, str, int]]:
    """(version, step, what became of it, milliseconds), for each step that was asked and for the run as a
    whole.
    """
    kind = (state.end or {}).get("kind", "expired")
    for notes in [*state.before, {"version": row.version_id, "decided": state.decided, "times": state.times}]:
        for step, (asked, decided) in notes["times"].items():
            fate = _fate(notes["decided"].get(step), kind if step == state.at else "")
            yield notes["version"], step, fate, max(0, (decided or 0) - (asked or 0))
    whole = "finished" if kind in _GOOD else "refused" if kind == "denied" else "left"
    yield row.version_id, WHOLE, whole, round(((row.ended_at or now) - row.started_at).total_seconds() * 1000)


def _fate(decision: Any, end: str) -> str:
    if decision in ("done", "known before") or end in _GOOD:
        return "finished"
    return "refused" if decision == "refused" else "left"
