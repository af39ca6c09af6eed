"""Clocks of several hosts: how far apart they may be, and how old something is when one of them may have been set back."""

from datetime import datetime, timedelta

from django.utils import timezone

LEEWAY = timedelta(seconds=60)  # what another host stamped may lie so far in the future


def within(moment: datetime, span: timedelta) -> bool:
    """Return whether this stored moment is no longer ago than ``span``; one from further in the future than the leeway is not believed."""
    return -LEEWAY <= timezone.now() - moment <= span
