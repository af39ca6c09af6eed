"""Tells every web process of an event at once: a wake-up over the channel layer, whose loss costs only time.

The database holds what happened; whoever listens also looks there by itself. So nothing here is ever waited
for.
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
    """What travels: which event of which tenant, of what kind and about which topic; never more."""

    event: int
    tenant: int
    kind: str
    topic: str

    def as_message(self) -> dict[str, Any]:
        """For the channel layer."""
        return {"type": "wake.up", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "WakeUp":
        """From the channel layer."""
        return cls(**{name: message[name] for name in ("event", "tenant", "kind", "topic")})


class _Loops:
    """The event loop on which this process talks to the channel layer."""

    serving: asyncio.AbstractEventLoop | None = None
    own: asyncio.AbstractEventLoop | None = None
    guard = threading.Lock()


def attach(loop: asyncio.AbstractEventLoop | None) -> None:
    """Makes the web server's loop the one that sends; None when it stops."""
    _Loops.serving = loop


def send(wake_up: WakeUp) -> None:
    """Sends from any thread.

    In the embedded mode only the web process can: another process's events are found by looking.
    """
    loop = _Loops.serving or (None if settings.EMBEDDED else _own_loop())
    if loop is not None and not loop.is_closed():
        asyncio.run_coroutine_threadsafe(_send(wake_up), loop)


async def _send(wake_up: WakeUp) -> None:
    """Whether or not it arrives: a Redis that hangs must not gather what is never sent."""
    layer = get_channel_layer()
    if layer is not None:
        with suppress(Exception), breaker.REDIS.asking(Exception):
            await asyncio.wait_for(layer.group_send(GROUP, wake_up.as_message()), _SECONDS)


def _own_loop() -> asyncio.AbstractEventLoop:
    """A loop in a thread of its own, for workers and commands: the layer's connection belongs to one loop."""
    with _Loops.guard:
        if _Loops.own is None:
            _Loops.own = asyncio.new_event_loop()
            threading.Thread(target=_Loops.own.run_forever, name="notify", daemon=True).start()
        return _Loops.own
