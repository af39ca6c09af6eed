"""Retention and export of events."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from idp.events.models import Event

_COLUMNS = ("id", "at", "kind", "actor", "target", "application", "topic", "address", "request_id", "data")


def sweep(before: datetime, batch: int = 1000) -> int:
    """Delete one batch of the tenant's events that are older than ``before``, and return how many."""
    old = list(Event.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:batch])
    return Event.objects.filter(pk__in=old).delete()[0] if old else 0


def export_events(after: int = 0, batch: int = 2000) -> Iterator[dict[str, Any]]:
    """Yield the tenant's events with an ID above ``after``, in order.

    They are read in batches, without a transaction or cursor in between.
    """
    while True:
        rows = list(Event.objects.filter(pk__gt=after).order_by("pk").values(*_COLUMNS)[:batch])
        if not rows:
            return
        yield from ({**row, "at": row["at"].isoformat()} for row in rows)
        after = rows[-1]["id"]
