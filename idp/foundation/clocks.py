"""Clocks of several hosts, and of one that was set back: how far they may be apart, and how old a stored
moment is then.

What lasts within one process is measured by ``time.monotonic``; what is stored has only the wall clock.
"""

from datetime import datetime, timedelta

from django.utils import timezone

LEEWAY = timedelta(seconds=60)  # as far ahead of ours another host's clock may be


def age(moment: datetime, now: datetime | None = None) -> timedelta:
    """Return how long ago this was: 0 for what another host stamped up to a minute ahead, ``timedelta.max``
    for what lies further ahead.

    Such a moment was stamped by a clock that has been set back since. It is taken for very old, and not for
    fresh until then.
    """
    passed = (now or timezone.now()) - moment
    return timedelta.max if passed < -LEEWAY else max(passed, timedelta(0))


def lately(span: timedelta, now: datetime | None = None) -> tuple[datetime, datetime]:
    """Return the same for a query: the range of the moments that are no older than ``span``."""
    now = now or timezone.now()
    return now - span, now + LEEWAY
