"""Condition variables about the request itself: from where, when, and for what."""

from typing import Any

from idp.foundation import geo
from idp.foundation.condition_variables import About, Word


def _request_member(context: About, member: str) -> Any:
    return (context.facts.get("request") or {}).get(member)


WORDS = {
    "request.ip": Word(
        "string",
        lambda context: context.address,
        doc=(
            'the address that the request comes from; `"unknown"`, which is in no network, where the proxy '
            "does not name one"
        ),
        about="request",
    ),
    "request.agent": Word(
        "string",
        lambda context: context.agent,
        doc="the User-Agent header that the browser sends; it can be anything",
        about="request",
    ),
    "request.time": Word(
        "timestamp",
        lambda context: context.now,
        doc='now; `request.time.getHours("Europe/Berlin")` is the hour there',
        about="request",
    ),
    "request.country": Word(
        "string",
        lambda context: (
            context.once("country", context.address, geo.country)
            if context.country is None
            else context.country
        ),
        doc=(
            'the country of the address, ISO 3166-1 (`"DE"`); `""` where it is not known. Needs `FOYER_GEOIP`'
        ),
        about="request",
        missing=geo.missing,
    ),
    "request.kind": Word(
        "string",
        lambda context: _request_member(context, "kind") or "",
        needs="request",
        doc='what is requested: `"device"` or `"authorize"`',
        about="request",
        thing="kind of request",
        choices=lambda: ("", "device", "authorize"),
    ),
}
