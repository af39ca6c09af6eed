"""Server-sent events and the device's WebSocket, as raw ASGI: a listener costs a queue, not a thread.

``/application/o/device/events`` serves a pending device (``Authorization: Device <device_code>``, HTTP or
WebSocket). ``/flow/<run>/events`` serves the page of the person who approved a device. ``/events`` serves
people who may see the tenant's events (web/server/feed.py). ``/console/devices/<number>/events`` serves
people who look at a device's timeline.
"""

import asyncio
import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.utils import timezone

from flows.engine import executor
from flows.run import Client
from idp.accounts.roles import may
from idp.devices import watch
from idp.devices.timeline import topics_of
from idp.foundation.sealing import digest
from idp.ratelimit.budgets import address_key
from idp.tenancy.hosts import find_tenant, host_name
from idp.tenancy.scope import current_tenant, tenant_scope
from web.middleware import outage
from web.middleware.browser import Browser
from web.server import feed
from web.server.hub import Hub

HEARTBEAT_SECONDS = 15
_FLOW = re.compile(r"\A/flow/(?P<run>[0-9a-f]{32})/events\Z")
_DEVICE = re.compile(r"\A/console/devices/(?P<device>[0-9]{1,18})/events\Z")
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_NO_STREAM = b'{"error": "invalid_token", "error_description": "There is nothing to listen to."}'
_BUSY = b'{"error": "temporarily_unavailable", "error_description": "Too many listeners."}'

Message = tuple[int, str, Any]  # event id, name, data
Stream = AsyncIterator[list[Message]]  # batches; an empty one is a heartbeat


class Push:
    """ASGI middleware that serves the streams and passes every other request to ``app``."""

    def __init__(self, app: Any, hub: Hub) -> None:
        """Wrap ``app``. ``hub`` must be started before the first stream."""
        self.app, self.hub = app, hub
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = False

        async def sending(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._serve(scope, receive, sending)
        except Exception as error:
            if not outage.is_outage(error):
                raise
            outage.log_outage(error, _route(scope["path"]))
            await _abort(scope, send, started=started)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        stream = self._stream_for(scope)
        if stream is None:
            await (
                self.app(scope, receive, send)
                if scope["type"] == "http"
                else send({"type": "websocket.close"})
            )
        elif scope["type"] == "websocket":
            await self._socket(stream, scope, receive, send)
        elif scope["method"] == "GET":
            await self._events(stream, scope, receive, send)
        else:
            await _send_error(send, 405, _NO_STREAM, [(b"allow", b"GET")])

    def _stream_for(self, scope: Any) -> Callable[[Any], Awaitable[Stream | None]] | None:
        path = scope["path"]
        if path in ("/application/o/device/events", "/application/o/device/events/"):
            return self._device
        if scope["type"] == "http" and path == "/events":
            return self._tenant_events
        if scope["type"] == "http" and (match := _FLOW.match(path)):
            return lambda scope: self._run_page(scope, match["run"])
        if scope["type"] == "http" and (device := _DEVICE.match(path)):
            return lambda scope: self._device_timeline(scope, int(device["device"]))
        return None

    async def _events(self, stream: Any, scope: Any, receive: Any, send: Any) -> None:
        with self._listener_slot(scope) as free:
            if not free:
                return await _send_error(send, 429, _BUSY, [(b"retry-after", b"30")])
            messages = await stream(scope)
            if messages is None:
                return await _send_error(send, 401, _NO_STREAM, [(b"www-authenticate", b"Device")])
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})

            async def send_batch(items: list[Message]) -> None:
                await send({"type": "http.response.body", "body": _frames(items), "more_body": True})

            await _relay(messages, send_batch, receive, "http.disconnect")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        return None

    async def _socket(self, stream: Any, scope: Any, receive: Any, send: Any) -> None:
        await receive()  # websocket.connect
        with self._listener_slot(scope) as free:
            messages = await stream(scope) if free else None
            if messages is None:
                await send({"type": "websocket.close", "code": 4401})
                return
            await send({"type": "websocket.accept"})

            async def send_batch(items: list[Message]) -> None:
                for item in items:
                    await send(
                        {
                            "type": "websocket.send",
                            "text": json.dumps({"id": item[0], "event": item[1], "data": item[2]}),
                        }
                    )

            if not await _relay(messages, send_batch, receive, "websocket.disconnect"):
                await send({"type": "websocket.close", "code": 1000})

    @contextmanager
    def _listener_slot(self, scope: Any) -> Any:
        """Yield whether a slot was free for a listener of this address and of its code, and reserve it."""
        places = {address_key(scope["client"][0]): settings.LISTENERS_PER_ADDRESS}
        if code := watch.parse_device_code(_header(scope, b"authorization")):
            places["code " + digest(code)] = settings.LISTENERS_PER_CODE
        free = all(self._open[key] < limit for key, limit in places.items())
        if free:
            self._open.update(places.keys())
        try:
            yield free
        finally:
            if free:
                self._open.subtract(places.keys())
                self._open += Counter()  # removes the keys whose count is zero

    async def _device(self, scope: Any) -> Stream | None:
        found = await self.hub.run_in_thread(
            _in_tenant,
            scope,
            lambda: (current_tenant().pk, watch.issue_ticket(_header(scope, b"authorization"))),
        )
        if not found or found[1] is None:
            return None
        return self._device_states(scope, found[0], found[1])

    async def _device_states(self, scope: Any, tenant_id: int, ticket: watch.WatchTicket) -> Stream:
        """Yield the states of one device until its state is final or its code has expired."""
        with self.hub.listen(tenant_id, ticket.topic) as queue:
            state = await self.hub.run_in_thread(_in_tenant, scope, lambda: watch.state_of(ticket.device))
            if state and state != "pending":
                yield [(0, str(state), {})]
            while state not in watch.FINAL_STATES:
                left = (ticket.expires_at - timezone.now()).total_seconds()
                wake_up = await _next(queue, min(HEARTBEAT_SECONDS, max(left, 0.05)))
                if wake_up is None:
                    return
                if wake_up == "timeout":
                    if left > 0:
                        yield []
                        continue
                    state = await self.hub.run_in_thread(
                        _in_tenant, scope, lambda: watch.state_of(ticket.device)
                    )
                    if state == "expired":
                        yield [(0, "expired", {})]
                    return
                if wake_up.kind in watch.DEVICE_EVENTS:
                    state = wake_up.kind.removeprefix("device.")
                    yield [(wake_up.event, state, {})]

    async def _run_page(self, scope: Any, run: str) -> Stream | None:
        """Return a stream that reloads the last page of a run when its topic changes."""

        def find_topic() -> tuple[int, str]:
            page = executor.get_page(run, cast(Client, Browser(_request(scope))))
            return current_tenant().pk, str(page.context.get("topic", ""))

        try:
            found = await self.hub.run_in_thread(_in_tenant, scope, find_topic)
        except executor.NoSuchRun:
            return None
        return self._topic_changes(*found) if found and found[1] else None

    async def _topic_changes(self, tenant_id: int, topic: str) -> Stream:
        with self.hub.listen(tenant_id, topic) as queue:
            while wake_up := await _next(queue, HEARTBEAT_SECONDS):
                yield [] if wake_up == "timeout" else [(wake_up.event, "changed", {})]

    async def _device_timeline(self, scope: Any, device: int) -> Stream | None:
        """Return a stream that reloads a device's timeline, for people who may see devices."""

        def find_topic() -> tuple[int, tuple[str, ...]]:
            return current_tenant().pk, topics_of(device)

        found = await self.hub.run_in_thread(_in_tenant_if_allowed, scope, "devices.see", find_topic)
        return self._timeline_changes(scope, *found) if found and found[1] else None

    async def _timeline_changes(self, scope: Any, tenant_id: int, topics: tuple[str, ...]) -> Stream:
        with self.hub.listen(tenant_id, *topics) as queue:
            while wake_up := await _next(queue, HEARTBEAT_SECONDS):
                if (
                    await self.hub.run_in_thread(_in_tenant_if_allowed, scope, "devices.see", lambda: True)
                    is None
                ):
                    return
                yield [] if wake_up == "timeout" else [(wake_up.event, "changed", {})]
                if wake_up != "timeout" and wake_up.kind == "device.redeemed":
                    return  # a client that reconnects also receives the events of its tokens

    async def _tenant_events(self, scope: Any) -> Stream | None:
        """Return a stream of the tenant's events for people who may see them.

        The permission is ``events.see`` (idp/accounts/roles.py).
        """
        asked = feed.FeedRequest.from_request(_request(scope).GET, _header(scope, b"last-event-id"))

        def read(function: Any, *arguments: Any) -> Any:
            return self.hub.run_in_thread(_in_tenant_if_allowed, scope, "events.see", function, *arguments)

        found = await read(feed.find_start, asked)
        return feed.stream_batches(self.hub, read, asked, *found) if found else None


async def _next(queue: "asyncio.Queue[Any]", seconds: float) -> Any:
    """Return the next wake-up, "timeout" if there was none in time, or None if the server stops."""
    try:
        return await asyncio.wait_for(queue.get(), seconds)
    except TimeoutError:
        return "timeout"


async def _relay(
    stream: Stream, send_batch: Callable[[list[Message]], Awaitable[None]], receive: Any, disconnect_type: str
) -> bool:
    """Send everything until the stream ends or the client disconnects; return whether it disconnected."""

    async def relay() -> None:
        async for items in stream:
            await send_batch(items)

    async def wait_for_disconnect() -> None:
        while (await receive())["type"] != disconnect_type:
            pass

    relaying, leaving = asyncio.create_task(relay()), asyncio.create_task(wait_for_disconnect())
    await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
    left = leaving.done()
    for task in (relaying, leaving):
        task.cancel()
    results = await asyncio.gather(relaying, leaving, return_exceptions=True)
    await stream.aclose()  # type: ignore[attr-defined]
    if isinstance(results[0], Exception) and not left:
        raise results[0]
    return left


def _in_tenant(scope: Any, function: Any, *arguments: Any) -> Any:
    """Call ``function`` in the scope of the host's tenant; return None if the host has no tenant."""
    name = host_name(_header(scope, b"host"))
    tenant = name and find_tenant(name)
    if not tenant:
        return None
    with tenant_scope(tenant):
        return function(*arguments)


def _in_tenant_if_allowed(scope: Any, operation: str, function: Any, *arguments: Any) -> Any:
    """Call ``function`` for a person with a live session and this permission; else return None.

    The permission is checked after the read, so that nothing is returned that happened after it was lost.
    """

    def check() -> Any:
        found = function(*arguments)
        session = Browser(_request(scope)).session
        return found if session and may(session.person, operation) else None

    return _in_tenant(scope, check)


def _request(scope: Any) -> ASGIRequest:
    return ASGIRequest({**scope, "method": "GET"}, io.BytesIO())


def _header(scope: Any, name: bytes) -> str:
    """Return the lines of a header joined as one list, as Django reads them (RFC 9110 section 5.3).

    Two Host headers are therefore not a valid host.
    """
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _frames(items: list[Message]) -> bytes:
    """Return messages as server-sent events, or a comment as a heartbeat if there are none.

    A message without a number leaves the browser's last event ID unchanged.
    """
    texts = [
        (f"id: {item[0]}\n" if item[0] else "") + f"event: {item[1]}\ndata: {json.dumps(item[2])}\n\n"
        for item in items
    ]
    return "".join(texts).encode() or b":\n\n"


def _route(path: str) -> str:
    """Return the path without the ID of the run or the device."""
    return re.sub(r"[0-9a-f]{32}|[0-9]+", "…", path)


async def _abort(scope: Any, send: Any, *, started: bool) -> None:
    """Make the client try again later, as well as the connection still allows.

    A client that already listens reconnects when its stream ends.
    """
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
    elif started:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        await _send_error(send, 503, outage.JSON_BODY, outage.RETRY_HEADERS)


async def _send_error(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    every = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})
