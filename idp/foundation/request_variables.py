"""Condition variables about the request itself: from where, when, and for what."""

from idp.foundation import geo
from idp.foundation.condition_variables import Variable

CONDITION_VARIABLES = {
    "request.ip": Variable(
        "string",
        lambda context: context.address,
        doc=(
            'the address that the request comes from; `"unknown"`, which is in no network, where the proxy '
            "does not name one"
        ),
        subject="request",
    ),
    "request.agent": Variable(
        "string",
        lambda context: context.agent,
        doc="the User-Agent header that the browser sends; it can be anything",
        subject="request",
    ),
    "request.time": Variable(
        "timestamp",
        lambda context: context.now,
        doc='now; `request.time.getHours("Europe/Berlin")` is the hour there',
        subject="request",
    ),
    "request.country": Variable(
        "string",
        lambda context: (
            context.load_once("country", context.address, geo.country)
            if context.country is None
            else context.country
        ),
        doc=(
            'the country of the address, ISO 3166-1 (`"DE"`); `""` where it is not known. Needs `FOYER_GEOIP`'
        ),
        subject="request",
        unavailable_reason=geo.unavailable_reason,
    ),
    "request.kind": Variable(
        "string",
        lambda context: context.facts.request.kind if "request" in context.facts else "",
        required_fact="request",
        doc='what is requested: `"device"` or `"authorize"`',
        subject="request",
        value_kind="kind of request",
        choices=lambda: ("", "device", "authorize"),
    ),
}
