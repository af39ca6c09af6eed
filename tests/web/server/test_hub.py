"""The hub of wake-ups stops when it is cancelled, even with a channel layer that ignores it."""

import asyncio
from typing import Any

import pytest

from idp.tenancy.models import Tenant
from web.server import hub as hubs
from web.server.hub import Hub


class Deaf:
    """A channel layer that takes the first cancellations for a timeout.

    A connection that is being established may do so.
    """

    cancellations = 2

    async def new_channel(self, prefix: str) -> str:
        """Return a name."""
        return prefix

    async def group_add(self, group: str, channel: str) -> None:
        """Do nothing."""

    async def flush(self) -> None:
        """Do nothing."""

    async def receive(self, channel: str) -> Any:
        """Wait forever; while cancellations are left, raise a timeout instead."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not self.cancellations:
                raise
            self.cancellations -= 1
            raise TimeoutError from None


def test_a_layer_that_hears_no_cancellation_does_not_keep_it(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is cancelled again until it ends, so that a stopping process does stop."""
    layer = Deaf()
    monkeypatch.setattr(hubs, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(hubs, "_CANCEL_SECONDS", 0.05)

    async def life() -> None:
        hub = Hub()
        await hub.start()
        await asyncio.sleep(0)  # the task starts to listen
        await asyncio.wait_for(hub.stop(), 20)

    asyncio.run(life())
    assert layer.cancellations < 2
