"""authentik's durations, such as ``hours=1;minutes=30``."""

import re
from datetime import timedelta

from blueprints.convert.entries import AuthentikEntry, NotConvertible

_UNITS = {
    "microseconds": 1e-6,
    "milliseconds": 1e-3,
    "seconds": 1,
    "minutes": 60,
    "hours": 3600,
    "days": 86_400,
    "weeks": 604_800,
}
_MAX_SECONDS = 999_999 * 60  # the longest duration that can be written in seconds or minutes


def duration(entry: AuthentikEntry, key: str) -> timedelta | None:
    """Return the duration under this key, or None if it is not set.

    It is rounded down, so that nothing lasts longer than it did. Raise NotConvertible.
    """
    text = entry.text(key)
    if not text:
        return None
    seconds = 0.0
    for part in text.split(";"):
        unit, _, number = part.strip().partition("=")
        if unit not in _UNITS or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", number):
            raise NotConvertible(f"{key}: {text[:50]} isn't a duration", entry.line_of(key))
        seconds += float(number) * _UNITS[unit]
    whole = int(min(seconds, _MAX_SECONDS))
    if whole > 999_999:
        whole -= whole % 60
    return timedelta(seconds=whole)
