"""The tenant's events counted by time, for the charts of the overview."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Func, IntegerField
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from idp.events.models import Event


@dataclass(frozen=True)
class Span:
    """``buckets`` intervals of ``seconds`` each; the last one is in progress."""

    name: str
    title: str | Promise
    seconds: int
    buckets: int

    def start_of(self, now: datetime) -> datetime:
        """Return the start of the first bucket."""
        newest = int(now.timestamp()) // self.seconds
        return datetime.fromtimestamp((newest - self.buckets + 1) * self.seconds, UTC)


SPANS = {
    span.name: span
    for span in (
        Span("hour", _("Last hour"), 60, 60),
        Span("day", _("Last 24 hours"), 1800, 48),
    )
}


@dataclass(frozen=True)
class Series:
    """One line of the chart: which kinds of event are counted together, and their title."""

    name: str
    title: str | Promise
    kinds: tuple[str, ...]
    good: bool = True


SERIES = (
    Series("sign_ins", _("Sign-ins"), ("session.started",)),
    Series("approvals", _("Devices approved"), ("device.approved",)),
    Series("denials", _("Denied"), ("device.denied", "flow.denied"), good=False),
    Series(
        "failures",
        _("Failed and throttled"),
        (
            "flow.step_failed",
            "flow.broken",
            "flow.throttled",
            "flow.start_refused",
            "device.start_refused",
            "device.guessing_throttled",
            "client.throttled",
            "tokens.refused",
        ),
        good=False,
    ),
)


@dataclass(frozen=True)
class Chart:
    """The counts of each series by name, for each bucket from the oldest to the current one."""

    span: Span
    start: datetime
    counts: Mapping[str, tuple[int, ...]]

    def total(self, series: str) -> int:
        """Return the sum of a series."""
        return sum(self.counts[series])

    def bucket_starts(self) -> list[datetime]:
        """Return the start of each bucket."""
        return [
            self.start + timedelta(seconds=self.span.seconds * number) for number in range(self.span.buckets)
        ]


class _Bucket(Func):
    """Whole buckets between the epoch and a time, counted by the database itself.

    Python functions in SQLite take ten times as long.
    """

    output_field = IntegerField()

    def __init__(self, path: str, seconds: int) -> None:
        super().__init__(path)
        self.seconds = seconds

    def as_sql(self, *args: Any, **more: Any) -> Any:
        more["template"] = f"CAST(FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / {self.seconds:d}) AS bigint)"
        return super().as_sql(*args, **more)

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = f"(CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) / {self.seconds:d})"
        return super().as_sql(compiler, connection, template=template, **more)


def build_chart(span: Span, now: datetime | None = None) -> Chart:
    """Count the tenant's events within ``span`` up to ``now``, in one query that only reads an index."""
    now = now or timezone.now()
    begins = span.start_of(now)
    owner = {kind: series.name for series in SERIES for kind in series.kinds}
    counts = {series.name: [0] * span.buckets for series in SERIES}
    rows = Event.objects.filter(kind__in=owner, at__gte=begins, at__lte=now).annotate(
        bucket=_Bucket("at", span.seconds)
    )
    first = int(begins.timestamp()) // span.seconds
    for kind, bucket, many in rows.order_by().values_list("kind", "bucket").annotate(many=Count("*")):
        counts[owner[kind]][bucket - first] += many
    return Chart(span, begins, {name: tuple(each) for name, each in counts.items()})
