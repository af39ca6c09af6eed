"""Distributes wake-ups to the listeners of this process.

One subscription to the channel layer serves any number of listeners. The hub also polls the table of events
every half second, which finds what another process wrote and what the layer lost. An event that arrives twice
is distributed once.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import close_old_connections

from idp.events import notify
from idp.events.bus import events_after, newest_id_of_all_tenants
from idp.events.notify import WakeUp
from web.middleware.outage import is_outage
from web.server.threads import DatabaseThreadPool

log = logging.getLogger(__name__)
_MAX_SEEN = 10_000
_CANCEL_SECONDS = 1
_FLUSH_SECONDS = 2
_QUEUE_SIZE = 200  # of a slow listener; when full, the oldest wake-ups are dropped


class Hub:
    """The listeners of this process, by tenant and topic.

    The empty topic receives every event of its tenant.
    """

    def __init__(self) -> None:
        self._listeners: dict[tuple[int, str], set[asyncio.Queue[WakeUp | None]]] = {}
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []
        self._readers: DatabaseThreadPool | None = None

    async def start(self) -> None:
        """Start to receive wake-ups; call it from the running event loop."""
        self._readers = DatabaseThreadPool(4, "hub")
        self._seen.clear()
        notify.attach(asyncio.get_running_loop())
        self._position = await self.run_in_thread(newest_id_of_all_tenants)
        self._tasks = [
            asyncio.create_task(self._receive_from_layer()),
            asyncio.create_task(self._poll_events()),
        ]

    async def stop(self) -> None:
        """Stop all listeners. A second call does nothing."""
        notify.attach(None)
        pending = set(self._tasks)
        while pending:  # a Redis client may mistake a cancellation for a timeout and continue
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_SECONDS)
        self._tasks = []
        for queues in list(self._listeners.values()):
            for queue in list(queues):
                _enqueue(queue, None)
        await _flush_layer(get_channel_layer())
        if self._readers:
            readers, self._readers = self._readers, None
            await asyncio.to_thread(readers.close)

    async def run_in_thread(self, function: Any, *arguments: Any) -> Any:
        """Run a database read in a thread of the hub and return its result."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, _call_on_fresh_connection, function, *arguments
        )

    @contextmanager
    def listen(self, tenant_id: int, *topics: str) -> Iterator[asyncio.Queue[WakeUp | None]]:
        """Yield a queue of the wake-ups of these topics of one tenant.

        None in the queue means that the server stops.
        """
        queue: asyncio.Queue[WakeUp | None] = asyncio.Queue(_QUEUE_SIZE)
        for topic in topics:
            self._listeners.setdefault((tenant_id, topic), set()).add(queue)
        try:
            yield queue
        finally:
            for topic in topics:
                queues = self._listeners[tenant_id, topic]
                queues.discard(queue)
                if not queues:
                    del self._listeners[tenant_id, topic]

    def deliver(self, wake_up: WakeUp) -> None:
        """Put a wake-up into the queues of its listeners, once."""
        if wake_up.event in self._seen:
            return
        self._seen[wake_up.event] = None
        while len(self._seen) > _MAX_SEEN:
            self._seen.popitem(last=False)
        for key in {(wake_up.tenant, wake_up.topic), (wake_up.tenant, "")}:
            for queue in self._listeners.get(key, ()):
                _enqueue(queue, wake_up)

    async def _receive_from_layer(self) -> None:
        """Deliver the channel layer's wake-ups, and reconnect after any error.

        Polling goes on meanwhile.
        """
        reported = False
        while True:
            layer = get_channel_layer()
            try:
                channel = await layer.new_channel("foyer.hub")
                await layer.group_add(notify.GROUP, channel)
                reported = False
                while True:
                    self.deliver(WakeUp.from_message(await layer.receive(channel)))
            except asyncio.CancelledError:
                raise
            except Exception:
                log.log(logging.DEBUG if reported else logging.ERROR, "channel layer failed", exc_info=True)
                reported = True
                await asyncio.sleep(1)

    async def _poll_events(self) -> None:
        is_down = False
        while True:
            await asyncio.sleep(settings.EVENT_LOOK_SECONDS)
            try:
                self._position, found = await self.run_in_thread(events_after, self._position)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                if not (is_down and is_outage(error)):  # logged once, not twice a second
                    log.error(
                        "reading events failed",
                        exc_info=not is_outage(error),
                        extra={"why": type(error).__name__},
                    )
                is_down = is_outage(error)
                continue
            if is_down:
                is_down = False
                log.warning("events are read again")
            for wake_up in found:
                self.deliver(wake_up)


def _enqueue(queue: "asyncio.Queue[WakeUp | None]", item: WakeUp | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)


async def _flush_layer(layer: Any) -> None:
    """End the task that the layer started to read from Redis.

    It may not notice its cancellation while Redis is unreachable.
    """
    flushing = asyncio.ensure_future(layer.flush())
    await asyncio.wait({flushing}, timeout=_FLUSH_SECONDS)
    if flushing.done() and not flushing.cancelled():
        flushing.exception()


def _call_on_fresh_connection(function: Any, *arguments: Any) -> Any:
    close_old_connections()
    return function(*arguments)
