"""What is shown this once, such as a new secret: sealed in a cookie between the POST that made it and the
page that shows it.

That page answers a GET, so that nothing is made twice when somebody reloads it; no address, log or table ever
holds the value.
"""

import json
from collections.abc import Mapping

from django.http import HttpResponse
from django.utils import timezone

from idp.foundation.sealing import Unsealable, mac, seal, unseal
from web.console.frame import see
from web.console.requests import ConsoleRequest

_SECONDS = 60


def hand_over(request: ConsoleRequest, url: str, about: str, values: Mapping[str, str]) -> HttpResponse:
    """Return the way to the page that shows these values: to this session, within a minute, once.

    ``about``: what the page is of.
    """
    response = see(request, url)
    payload = {
        "session": _session(request),
        "about": about,
        "until": _now() + _SECONDS,
        "values": dict(values),
    }
    # a cookie holds 4 KiB
    response.set_cookie(_cookie(about), seal(json.dumps(payload, ensure_ascii=False)), max_age=_SECONDS)
    return response


def handed_over(request: ConsoleRequest, about: str) -> dict[str, str]:
    """Return what was handed over to the page of this; empty where nothing was, or where it was shown
    already.
    """
    try:
        payload = json.loads(unseal(request.COOKIES.get(_cookie(about), "")))
    except (Unsealable, ValueError):
        return {}
    matches = isinstance(payload, dict) and (payload.get("session"), payload.get("about")) == (
        _session(request),
        about,
    )
    return dict(payload["values"]) if matches and payload["until"] > _now() else {}


def shown(response: HttpResponse, about: str) -> HttpResponse:
    """Return the page that shows it, with which the browser forgets it: a reload finds nothing."""
    response.delete_cookie(_cookie(about))
    return response


def _cookie(about: str) -> str:
    """Return its name, one for each page: what is made in another tab at the same moment takes
    nothing away.
    """
    return f"foyer_once_{mac('once', about)[:8]}"


def _now() -> float:
    return timezone.now().timestamp()


def _session(request: ConsoleRequest) -> int:
    return int(request.browser.session.pk)
