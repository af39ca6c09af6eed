"""Writes "outside working hours" as CEL, across midnight and to the minute, and parses it.

If the hours end before they begin (22:00 to 6:00), the outside is one interval (6:00 to 22:00). It is written
as the negation of another outside, because ``<`` and ``>=`` on the hours of a day do not wrap at midnight.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import available_timezones

DAY = 24 * 60
_TYPED = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?")
_HOUR, _MINUTES = (
    "request.time.getHours({zone})",
    "request.time.getHours({zone}) * 60 + request.time.getMinutes({zone})",
)
_OUTSIDE = "{clock} < {first} || {clock} >= {last}"
_ZONE = r"""(?:"[^"\\\n]*"|'[^'\\\n]*')"""


@lru_cache(maxsize=1)
def all_time_zones() -> frozenset[str]:
    """Return the names of all time zones.

    They are read once, because that takes longer than everything else that is done with a condition.
    """
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def offered_time_zones() -> tuple[str, ...]:
    """Return the time zones that people can choose from: UTC and places."""
    return tuple(
        sorted(
            zone
            for zone in all_time_zones()
            if zone == "UTC" or ("/" in zone and not zone.startswith("Etc/"))
        )
    )


def parse_time(text: str) -> int:
    """Return the minute of the day for ``8``, ``8:30`` or ``08:30``; 24:00 is the end of the day.

    Raise ValueError for any other text.
    """
    match = _TYPED.fullmatch(text.strip())
    if not match or (found := int(match[1]) * 60 + int(match[2] or 0)) > DAY or int(match[2] or 0) > 59:
        raise ValueError(text)
    return found


def format_time(minute: int) -> str:
    """Return a minute of the day as ``08:30``."""
    return f"{minute // 60:02}:{minute % 60:02}"


def outside_hours_condition(literals: Mapping[str, str]) -> str:
    """Return the condition that holds before ``start`` and from ``end`` on.

    Raise ValueError where that is never or always.
    """
    start, end = parse_time(literals["start"]) % DAY, parse_time(literals["end"]) % DAY
    if start == end:
        raise ValueError("the day begins and ends at the same time")
    clock = _MINUTES if start % 60 or end % 60 else _HOUR
    first, last = (
        _minute_expression(clock, minute) for minute in ((start, end) if start < end else (end, start))
    )
    condition = _OUTSIDE.format(clock=clock.format(zone=literals["zone"]), first=first, last=last)
    return condition if start < end else f"!({condition})"


def parse_outside_hours(source: str) -> dict[str, str] | None:
    """Return ``start``, ``end`` and ``zone`` (as a CEL literal) of such a condition; None for any other."""
    for clock in (_HOUR, _MINUTES):
        for opposite in (False, True):
            match = _patterns[clock, opposite].fullmatch(source.strip())
            if not match:
                continue
            first, last = (_parse_minute(match[name]) for name in ("first", "last"))
            if first < last <= DAY and (first or last < DAY):  # otherwise it is always or never true
                start, end = (last, first) if opposite else (first, last)
                return {
                    "start": format_time(start % DAY),
                    "end": format_time(end % DAY),
                    "zone": match["zone"],
                }
    return None


def _parse_minute(written: str) -> int:
    hour, *rest = written.split("*")
    return int(hour) * 60 + (int(rest[0].split("+")[1]) if rest else 0)


def _pattern(clock: str, *, opposite: bool) -> re.Pattern[str]:
    """Return the pattern of such a condition in any spacing, with the same zone each time."""
    number = r"\d{1,2}" if clock == _HOUR else r"\d{1,2} \* 60 \+ [0-5]?\d"
    gaps = {
        "clock": re.escape(clock.format(zone="§")),
        "first": f"(?P<first>{number})",
        "last": f"(?P<last>{number})",
    }
    text = re.sub(r"\\\{(\w+)\\\}", lambda gap: gaps[gap[1]], re.escape(_OUTSIDE))
    text = text.replace("§", f"(?P<zone>{_ZONE})", 1).replace("§", "(?P=zone)")
    return re.compile(
        (r"!\(" + text + r"\)" if opposite else text).replace("\\ ", r"\s*").replace(" ", r"\s*")
    )


def _minute_expression(clock: str, minute: int) -> str:
    return f"{minute // 60} * 60 + {minute % 60}" if clock == _MINUTES else str(minute // 60)


_patterns = {
    (clock, opposite): _pattern(clock, opposite=opposite)
    for clock in (_HOUR, _MINUTES)
    for opposite in (False, True)
}
