"""The response to a temporary outage, most often of the database: 503, Retry-After and one log line."""

import logging

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from idp.accounts.hashers import Overloaded

log = logging.getLogger(__name__)
RETRY_SECONDS = 5
JSON_BODY = (
    b'{"error": "temporarily_unavailable", "error_description": "The server is temporarily unavailable. '
    b'Try again in a moment."}'
)
RETRY_HEADERS = [(b"retry-after", str(RETRY_SECONDS).encode())]
_READ_ONLY = "25006"  # SQLSTATE of a database server that became a standby


def is_outage(error: BaseException | None) -> bool:
    """Return whether trying again later may help.

    It may if the database is unreachable, locked, full or read-only, or if the server is overloaded.
    """
    if isinstance(error, (OperationalError, InterfaceError, Overloaded)):
        return True
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", None) == _READ_ONLY


def log_outage(error: BaseException, route: str) -> None:
    """Log one line instead of a traceback.

    The first line of the database's message contains no values of the statement.
    """
    why = str(error).strip().split("\n")[0][:200]
    log.error(
        "unavailable",
        extra={"route": route, "why": why or type(error).__name__, "class": type(error).__name__},
    )


def unavailable_response(request: HttpRequest, error: BaseException, *, as_json: bool) -> HttpResponse:
    """Return the 503 for a program or a person, and log the reason."""
    match = request.resolver_match
    log_outage(error, f"/{match.route}" if match else "-")
    response: HttpResponse
    if as_json:
        response = HttpResponse(JSON_BODY, content_type="application/json", status=503)
    else:
        context = {"title": _("Temporarily unavailable"), "message": _("Please try again in a moment.")}
        response = render(request, "pages/error.html", context, status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    response["Cache-Control"] = "no-store"
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django would log it with a traceback
    return response


def is_program_path(path: str) -> bool:
    """Return whether a program requests this path and reads errors as JSON."""
    return _normalized(path).startswith("/api/") or is_protocol_path(path)


def is_protocol_path(path: str) -> bool:
    """Return whether a program of the protocol meant this path.

    It may be written in capitals, or with an extra slash after the issuer.
    """
    return _normalized(path).startswith(_PROTOCOL_PREFIXES)


def _normalized(path: str) -> str:
    return f"/{path.strip('/').lower()}/"


_PROTOCOL_PREFIXES = ("/application/o/", "/.well-known/")
