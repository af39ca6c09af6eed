"""The age of stored times when the clocks of hosts differ, or when a clock was set back.

What lasts within one process is measured by ``time.monotonic``; what is stored has only the wall clock.
"""

from datetime import datetime, timedelta

from django.utils import timezone

LEEWAY = timedelta(seconds=60)  # how far another host's clock may be ahead


def age(moment: datetime, now: datetime | None = None) -> timedelta:
    """Return how long ago this was.

    It is 0 for a time of another host up to a minute ahead, and ``timedelta.max`` for a time further ahead.
    Such a time is from a clock that has since been set back. It counts as very old, and not as recent until
    then.
    """
    passed = (now or timezone.now()) - moment
    return timedelta.max if passed < -LEEWAY else max(passed, timedelta(0))


def recent_range(span: timedelta, now: datetime | None = None) -> tuple[datetime, datetime]:
    """Return the range of the times that are no older than ``span``, for a query."""
    now = now or timezone.now()
    return now - span, now + LEEWAY
