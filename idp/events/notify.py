"""Notifies every web process of an event: a wake-up over the channel layer.

The database has the events, and listeners also poll it. So a lost wake-up only costs time, and nothing here
ever waits.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings

from idp.foundation import breaker

GROUP = "foyer.events"
_SECONDS = 0.25


@dataclass(frozen=True)
class WakeUp:
    """The message: which event of which tenant, of what kind and about which topic, and never more."""

    event: int
    tenant: int
    kind: str
    topic: str

    def as_message(self) -> dict[str, Any]:
        """Return the message for the channel layer."""
        return {"type": "wake.up", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "WakeUp":
        """Return the wake-up of a message from the channel layer."""
        return cls(**{name: message[name] for name in ("event", "tenant", "kind", "topic")})


class _Loops:
    """The event loops on which this process uses the channel layer."""

    serving: asyncio.AbstractEventLoop | None = None
    own: asyncio.AbstractEventLoop | None = None
    guard = threading.Lock()


def attach(loop: asyncio.AbstractEventLoop | None) -> None:
    """Make the web server's event loop the one that sends; None when the server stops."""
    _Loops.serving = loop


def send(wake_up: WakeUp) -> None:
    """Send a wake-up from any thread.

    In the embedded mode only the web process can send; it finds the events of other processes by polling.
    """
    loop = _Loops.serving or (None if settings.EMBEDDED else _own_loop())
    if loop is not None and not loop.is_closed():
        asyncio.run_coroutine_threadsafe(_send(wake_up), loop)


async def _send(wake_up: WakeUp) -> None:
    """Send once, within a time limit, and ignore failures.

    Otherwise wake-ups would pile up while Redis does not respond.
    """
    layer = get_channel_layer()
    if layer is not None:
        with suppress(Exception), breaker.REDIS.guard(Exception):
            await asyncio.wait_for(layer.group_send(GROUP, wake_up.as_message()), _SECONDS)


def _own_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop in its own thread, for workers and commands.

    The layer's connection belongs to one loop.
    """
    with _Loops.guard:
        if _Loops.own is None:
            _Loops.own = asyncio.new_event_loop()
            threading.Thread(target=_Loops.own.run_forever, name="notify", daemon=True).start()
        return _Loops.own
