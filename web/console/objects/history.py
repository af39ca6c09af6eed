"""The history on the page of an object: its latest events, and a link to all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from idp.events.listings import EVENTS
from idp.foundation.listing import ListQuery
from web.console.requests import ConsoleRequest
from web.console.sentences import describe_event

_SHOWN = 10


@dataclass(frozen=True)
class History:
    """The latest events of an object.

    ``rows``: events as sentences, newest first. ``url``: all of them in the audit log, "" if that does not
    contain them.
    """

    rows: list[dict[str, Any]]
    url: str


def history(request: ConsoleRequest, filters: Mapping[str, str]) -> History | None:
    """Return the latest events of the current tenant that match these filters of the audit log.

    None for a role that may not see events.
    """
    if not request.may("events.see"):
        return None
    rows = EVENTS.page(ListQuery(filters=filters, size=_SHOWN)).rows
    return History(
        [{**row, **describe_event(row)} for row in rows], f"{reverse('console:events')}?{urlencode(filters)}"
    )


def history_of_other_tenant(request: ConsoleRequest, filters: Mapping[str, str]) -> History | None:
    """Return the history for the page of another tenant, while that tenant is the current one.

    It has no links and no IP addresses. None for a role that may not see events.
    """
    found = history(request, filters)
    if found is None:
        return None
    here = [{**row, **describe_event({**row, "address": ""})} for row in found.rows]
    return History([{**row, "parts": [[words] for words, *_url in row["parts"]]} for row in here], "")
