"""A third party's handler: it records what it gets, and does what a test wants it to do."""

from collections.abc import Callable

from idp.outbox.delivery import Parcel
from idp.tenancy.scope import current_tenant

KIND = "probe"
got: list[tuple[str, Parcel]] = []
wish: list[Callable[[Parcel], None]] = []


def handler(parcel: Parcel) -> None:
    """Named in settings.OUTBOX_HANDLERS."""
    got.append((current_tenant().name, parcel))
    for act in wish:
        act(parcel)
