"""Events as a feed: filters, what came after an ID, and the newest of the last day."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from idp.events.bus import newest_id
from idp.events.models import Event
from idp.foundation import addresses
from idp.foundation.text import nfc

_PAST = timedelta(days=1)
_MAX_LENGTH = 400


@dataclass(frozen=True)
class EventFilter:
    """A filter of events; "" matches everything.

    ``kind``: one, or several separated by commas. ``person``: the actor or the target.
    """

    area: str = ""
    kind: str = ""
    person: str = ""
    application: str = ""
    address: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "EventFilter":
        """Return the filter of a query string.

        Unknown parameters are ignored. A value that no event can have matches none.
        """
        return cls(
            **{
                name: nfc(query.get(name, "").replace("\0", "").strip()[:_MAX_LENGTH])
                for name in cls.__dataclass_fields__
            }
        )

    def as_query(self) -> dict[str, str]:
        """Return the parameters that narrow the feed, for a query string."""
        return {name: value for name, value in asdict(self).items() if value}

    def may_match(self, kind: str) -> bool:
        """Return whether an event of this kind can match, to avoid reading it otherwise."""
        return (not self.kind or kind in self.kind.split(",")) and (
            not self.area or kind.startswith(f"{self.area}.")
        )

    def apply(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Return the matching ones of these rows."""
        exact = {
            "application": self.application,
            "address": str(addresses.parse(self.address) or self.address),
        }
        rows = rows.filter(**{name: value for name, value in exact.items() if value})
        if self.kind:
            rows = rows.filter(kind__in=self.kind.split(","))
        if self.area:
            rows = rows.filter(kind__startswith=f"{self.area}.")
        return rows.filter(Q(actor=self.person) | Q(target=self.person)) if self.person else rows


ALL_EVENTS = EventFilter()


@dataclass(frozen=True)
class FeedPage:
    """A part of the feed: the rows, the ID to continue after, and how many more were left out."""

    rows: list[dict[str, Any]]
    last: int
    skipped: int = 0


def events_since(
    after: int,
    event_filter: EventFilter = ALL_EVENTS,
    late: Collection[int] = (),
    most: int = 500,
    *,
    newest_only: bool = False,
) -> FeedPage:
    """Return the tenant's events after this ID, oldest first, and those of the earlier ones in ``late``.

    They are the first ``most``, with more to come, or with ``newest_only`` the last ``most`` and how many
    were skipped. The ID in ``last`` also advances past events that do not match, so that no part of the table
    is read twice.
    """
    end = max(newest_id(), after)
    new = event_filter.apply(Event.objects.filter(pk__gt=after, pk__lte=end))
    rows = sorted(new.order_by("-pk" if newest_only else "pk")[:most], key=lambda row: row.pk)
    left_out = new.count() - most if newest_only and len(rows) == most else 0
    last = rows[-1].pk if len(rows) == most and not newest_only else end
    if late:
        rows = [*event_filter.apply(Event.objects.filter(pk__in=late, pk__lte=after)).order_by("pk"), *rows]
    return FeedPage([as_json(row) for row in rows], last, left_out)


def recent_events(event_filter: EventFilter = ALL_EVENTS, most: int = 200) -> FeedPage:
    """Return the newest events of the last day, newest first; ``last`` is the ID to continue after."""
    end = newest_id()
    rows = event_filter.apply(Event.objects.filter(at__gte=timezone.now() - _PAST, pk__lte=end))
    return FeedPage([as_json(row) for row in rows.order_by("-at", "-pk")[:most]], end)


def ids_before(last: int, limit: int = 200) -> list[int]:
    """Return the IDs of the tenant's events among the last ``limit`` up to this one."""
    return list(
        Event.objects.filter(pk__gt=last - limit, pk__lte=last).order_by("pk").values_list("pk", flat=True)
    )


def events_of_topics(
    topics: Collection[str], kinds: Collection[str], most: int = 200
) -> list[dict[str, Any]]:
    """Return events of these kinds on these topics, oldest first.

    They are sorted here: for a sorted query, SQLite would read the whole table backwards instead of finding
    these few rows by their index.
    """
    rows = Event.objects.filter(topic__in=topics, kind__in=kinds).order_by()[:most]
    return [as_json(row) for row in sorted(rows, key=lambda row: row.pk)]


def as_json(row: Event) -> dict[str, Any]:
    """Return an event as JSON."""
    names = ("id", "kind", "actor", "target", "application", "address", "data")
    return {"at": row.at.isoformat(), **{name: getattr(row, name) for name in names}}
