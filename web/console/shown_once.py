"""Values that are shown once, such as a new secret, sealed in a cookie between the POST and the page.

That page is requested with GET, so a reload creates nothing again. The value is never in a URL, a log or a
table.
"""

import json
from collections.abc import Mapping

from django.http import HttpResponse
from django.utils import timezone

from idp.foundation.sealing import Unsealable, mac, seal, unseal
from web.console.frame import see_other
from web.console.requests import ConsoleRequest

_SECONDS = 60


def redirect_with_one_time_values(
    request: ConsoleRequest, url: str, about: str, values: Mapping[str, str]
) -> HttpResponse:
    """Return a redirect to the page that shows these values: to this session, within a minute, once.

    ``about``: the subject of the page.
    """
    response = see_other(request, url)
    payload = {
        "session": _session(request),
        "about": about,
        "until": _now() + _SECONDS,
        "values": dict(values),
    }
    # a cookie holds 4 KiB
    response.set_cookie(_cookie(about), seal(json.dumps(payload, ensure_ascii=False)), max_age=_SECONDS)
    return response


def read_one_time_values(request: ConsoleRequest, about: str) -> dict[str, str]:
    """Return the values for the page about this subject; {} if there are none or they were already shown."""
    try:
        payload = json.loads(unseal(request.COOKIES.get(_cookie(about), "")))
    except (Unsealable, ValueError):
        return {}
    matches = isinstance(payload, dict) and (payload.get("session"), payload.get("about")) == (
        _session(request),
        about,
    )
    return dict(payload["values"]) if matches and payload["until"] > _now() else {}


def clear_one_time_values(response: HttpResponse, about: str) -> HttpResponse:
    """Return the response with the cookie deleted, so that a reload does not show the values again."""
    response.delete_cookie(_cookie(about))
    return response


def _cookie(about: str) -> str:
    """Return the name of the cookie, one for each page, so that another tab does not overwrite its values."""
    return f"foyer_once_{mac('once', about)[:8]}"


def _now() -> float:
    return timezone.now().timestamp()


def _session(request: ConsoleRequest) -> int:
    return int(request.browser.session.pk)
