"""The playground: a page that acts as a client of the tenant and explains every request and response."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from idp.foundation import qr
from idp.oauth.clients import describe_scopes, find_by_grants
from idp.oauth.discovery import DEVICE_CODE, metadata
from idp.oauth.scopes import STANDARD_SCOPES
from web.console.explanations import explanations
from web.console.frame import ConsolePage, render_page
from web.console.requests import ConsoleRequest
from web.pages.oauth import get_issuer

# The clients that the page can simulate, by the grant that they need. web/static/web/console/playground.js
# has the same table.
_CLIENTS = {DEVICE_CODE: "device", "client_credentials": "service"}
_CODE = re.compile(r"\A[A-Z]{4}(-[A-Z]{4}){1,2}\Z")


def playground(request: ConsoleRequest) -> HttpResponse:
    """Render the page; afterwards the browser itself calls the endpoints of the protocol."""
    issuer = get_issuer(request)
    selected = request.GET.get("application", "").replace("\0", "")
    rows = find_by_grants(_CLIENTS, include=selected)
    scopes = {each["name"]: each for each in describe_scopes({scope for row in rows for scope in row.scopes})}
    applications = [_describe(row, scopes) for row in rows]
    facts = {
        "provider": metadata(issuer),
        "applications": applications,
        "explain": explanations(),
        "words": _texts(),
        "qr": reverse("console:playground-qr"),
    }
    context: dict[str, Any] = {
        "applications": applications,
        "facts": facts,
        "chosen": selected,
        "issuer": issuer,
    }
    return render_page(request, "console/playground.html", title=_("Playground"), **context)


def qr_code(request: ConsoleRequest) -> HttpResponse:
    """Return the QR code of the verification URL with a user code, as a device would show it."""
    code = request.GET.get("code", "")
    if not _CODE.match(code):
        raise Http404
    return HttpResponse(
        qr.svg(f"{get_issuer(request)}/device?user_code={code}"), content_type="image/svg+xml"
    )


def _describe(row: Any, descriptions: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return an application for the page: its data, and the scopes that each of its clients can request.

    ``descriptions``: of each scope, by name.
    """
    own = [scope for scope in row.scopes if scope not in STANDARD_SCOPES]
    scopes = {"device": row.scopes, "service": own}
    return {
        "name": row.name,
        "title": row.title,
        "client_id": row.client_id,
        "confidential": row.confidential,
        "clients": {
            client: [descriptions[scope] for scope in scopes[client]]
            for grant, client in _CLIENTS.items()
            if grant in row.grants
        },
    }


def _texts() -> dict[str, str]:
    """Return the texts that the script of the page shows."""
    return {
        "device": _("The device requests a code"),
        "events": _("The device listens for the decision"),
        "poll": _("The device polls"),
        "tokens": _("The device gets its tokens"),
        "service": _("The service requests a token"),
        "userinfo": _("The application calls userinfo"),
        "refresh": _("The application refreshes its tokens"),
        "waiting": _("Waiting for approval…"),
        "connected": _("Connected"),
        "denied": _("Denied"),
        "expired": _("The code has expired"),
        "failed": _("Something went wrong"),
        "stopped": _("Stopped"),
        "unreachable": _("Can't reach the server. Try again in a moment."),
        "times": _("times"),
        "access_token": _("Access token"),
        "id_token": _("ID token"),
        "until": _("until"),
    }


PAGES = (
    ConsolePage("playground/", playground, "playground", view_operation="playground.use"),
    ConsolePage("playground/qr", qr_code, "playground-qr", view_operation="playground.use"),
)
