"""A tenant's events as a stream of batches.

A listener receives the first event after a quiet period immediately. After that it receives everything that
happened in the meantime at most five times a second, so that five hundred events a second cost five reads and
not five hundred.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idp.events.bus import newest_id
from idp.events.feed import EventFilter, FeedPage, events_since, ids_before
from idp.events.notify import WakeUp
from idp.tenancy.scope import current_tenant
from web.console.sentences import describe_event
from web.server.hub import Hub

HEARTBEAT_SECONDS = 15
PAUSE_SECONDS = 0.2
_BATCH = 500
_KNOWN_EVENTS = 2000

Read = Callable[..., Awaitable[Any]]  # calls a function if the listener still may read, else None
Batch = list[tuple[int, str, Any]]


@dataclass(frozen=True)
class FeedRequest:
    """What a listener subscribes to.

    ``filter``: the filter. ``after``: the number of the event to continue after, None for the newest.
    ``newest``: how many events the listener can show. If more happen at once, it receives the newest of them
    and the number of those left out. 0 means every single event.
    """

    filter: EventFilter
    after: int | None = None
    newest: int = 0

    @classmethod
    def from_request(cls, query: Mapping[str, str], last_event_id: str) -> "FeedRequest":
        """Return the subscription that a query string and a ``Last-Event-ID`` header describe.

        The header comes from a browser that reconnects. It takes precedence over the query string, because it
        is newer.
        """
        after = _number(last_event_id, _number(query.get("after", ""), None))
        return cls(
            EventFilter.from_query(query), after, min(_number(query.get("newest", ""), 0) or 0, _BATCH)
        )


def find_start(request: FeedRequest) -> tuple[int, int, list[int]]:
    """Return the tenant's key, the number to start after, and the known numbers before it.

    Events with a known number are not sent again.
    """
    end = newest_id()
    last = end if request.after is None else min(request.after, end)
    return current_tenant().pk, last, ids_before(last)


async def stream_batches(
    hub: Hub, read: Read, request: FeedRequest, tenant_id: int, last: int, known_before: list[int]
) -> AsyncIterator[Batch]:
    """Yield batches of events until the listener loses the permission or the server stops.

    An empty batch is a heartbeat.
    """
    known, late = deque(known_before, maxlen=_KNOWN_EVENTS), set[int]()
    with hub.listen(tenant_id, "") as queue:
        while True:
            started = time.monotonic()
            news = await read(_read_events, last, request, late)
            if news is None:  # signed out, or the permission was removed
                return
            last, rows = news.last, [row for row in news.rows if row["id"] not in known]
            if news.skipped:
                known.clear()  # the events left out are older than all known numbers and are not sent again
            known.extend(row["id"] for row in rows)
            if rows:
                yield _batch(rows, news)
            if len(news.rows) >= _BATCH:
                continue
            wake_ups = await _wait_for_wake_ups(queue, request.filter, started)
            if wake_ups is None:
                return
            if not wake_ups:
                yield []
            late = {each.event for each in wake_ups if (known[0] if known else 0) < each.event <= last} - set(
                known
            )


def _read_events(last: int, request: FeedRequest, late: set[int]) -> FeedPage:
    """Read events and render their sentences in a thread, so that the event loop only sends.

    ``late``: numbers below ``last`` that were committed after it. PostgreSQL may commit a smaller number
    after a larger one.
    """
    news = events_since(
        last, request.filter, late, request.newest or _BATCH, newest_only=bool(request.newest)
    )
    return FeedPage([{**row, "sentence": describe_event(row)} for row in news.rows], news.last, news.skipped)


def _batch(rows: list[dict[str, Any]], news: FeedPage) -> Batch:
    """Return the rows as messages, preceded by a note of how many were left out.

    The last message carries ``last`` as its number, so that a client that reconnects does not read events
    again that its filter excluded.
    """
    numbers = [row["id"] for row in rows]
    numbers[-1] = max(news.last, numbers[-1])
    left_out: Batch = [(0, "left-out", {"count": news.skipped})] if news.skipped else []
    return [*left_out, *((number, "event", row) for number, row in zip(numbers, rows, strict=True))]


async def _wait_for_wake_ups(
    queue: "asyncio.Queue[WakeUp | None]", event_filter: EventFilter, started: float
) -> list[WakeUp] | None:
    """Wait for a wake-up that may match, pause, and return everything that arrived.

    Return an empty list if there was none within the heartbeat, and None if the server stops.
    """
    end = time.monotonic() + HEARTBEAT_SECONDS
    first: WakeUp | None = None
    while first is None or not event_filter.may_match(first.kind):
        try:
            first = await asyncio.wait_for(queue.get(), max(0.01, end - time.monotonic()))
        except TimeoutError:
            return []
        if first is None:
            return None
    await asyncio.sleep(max(0.0, started + PAUSE_SECONDS - time.monotonic()))
    found: list[WakeUp | None] = [first]
    while not queue.empty():
        found.append(queue.get_nowait())
    return None if None in found else [each for each in found if each]


def _number(text: str, default: int | None) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else default
