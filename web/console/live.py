"""The live feed of the tenant's events, with filters."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from idp.events.feed import EventFilter, recent_events
from idp.events.listings import AREAS
from idp.events.statistics import SERIES
from web.console.frame import ConsolePage, render_page
from web.console.requests import ConsoleRequest
from web.console.sentences import describe_event

ROWS = 200
_TITLES = {
    "area": gettext_lazy("Category"),
    "kind": gettext_lazy("Event"),
    "person": gettext_lazy("Person"),
    "application": gettext_lazy("Application"),
    "address": gettext_lazy("IP address"),
}


@dataclass(frozen=True)
class Chip:
    """An active filter of the feed, and the URL without it."""

    title: Any
    value: Any
    without: str


def live(request: ConsoleRequest) -> HttpResponse:
    """Render the newest events of the last day; the page then receives further ones from a stream."""
    wanted = EventFilter.from_query(request.GET)
    news = recent_events(wanted, ROWS)
    query = wanted.as_query()
    context: dict[str, Any] = {
        "wanted": wanted,
        "areas": AREAS,
        "kinds": [(",".join(series.kinds), series.title) for series in SERIES],
        "chips": [_chip(wanted, name) for name in query],
        "rows": [{**row, "sentence": describe_event(row)} for row in news.rows],
        "most": ROWS,
        "stream": "/events?" + urlencode({**query, "after": news.last, "newest": ROWS}),
    }
    return render_page(request, "console/live.html", title=_("Live activity"), **context)


def _chip(wanted: EventFilter, name: str) -> Chip:
    value = getattr(wanted, name)
    titles = dict(AREAS) if name == "area" else {",".join(series.kinds): series.title for series in SERIES}
    return Chip(
        _TITLES[name], titles.get(value, value), "?" + urlencode(replace(wanted, **{name: ""}).as_query())
    )


PAGES = (ConsolePage("live/", live, "live", view_operation="events.see"),)
