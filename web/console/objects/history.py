"""What happened to an object, on its page: the latest of the events that concern it, and the way to all of
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from idp.events.listings import EVENTS
from idp.foundation.listing import Wish
from web.console.requests import ConsoleRequest
from web.console.sentences import told

_SHOWN = 10


@dataclass(frozen=True)
class History:
    """``rows``: events in words, newest first; ``url``: all of them in the list of events, "" where that list
    has them not.
    """

    rows: list[dict[str, Any]]
    url: str


def history(request: ConsoleRequest, concerning: Mapping[str, str]) -> History | None:
    """Of the tenant in scope, narrowed by filters of the list of events; None for whoever may not
    see events.
    """
    if not request.may("events.see"):
        return None
    rows = EVENTS.page(Wish(filters=concerning, size=_SHOWN)).rows
    return History(
        [{**row, **told(row)} for row in rows], f"{reverse('console:events')}?{urlencode(concerning)}"
    )


def history_elsewhere(request: ConsoleRequest, concerning: Mapping[str, str]) -> History | None:
    """The same, for the page of another tenant while that one is in scope: nothing leads anywhere, and
    nobody's address is told.
    """
    found = history(request, concerning)
    if found is None:
        return None
    here = [{**row, **told({**row, "address": ""})} for row in found.rows]
    return History([{**row, "parts": [[words] for words, *_url in row["parts"]]} for row in here], "")
