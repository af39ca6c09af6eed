"""Responses to exceptions of the domain, in one table."""

from math import ceil
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import NinjaAPI
from pydantic import BaseModel

from blueprints.files.problems import MAX_PROBLEMS, BadBlueprint
from blueprints.objects.edit import InvalidObject
from flows.documents.versions import InvalidFlow
from idp.foundation.errors import DomainError, Invalid, NotFound
from idp.oauth.errors import InsufficientScope, InvalidToken, MissingToken, OAuthError
from idp.outbox.mail import TooManyMails
from web.api.errors import error_response
from web.api.schemas import ApiError, DetailedApiError

DESCRIPTIONS: dict[int, str] = {
    304: "Not modified.",
    400: "A parameter or the body is invalid.",
    401: "The access token is missing, expired, revoked, or belongs to another tenant.",
    403: "The token lacks the scope, or the person's role lacks the permission.",
    404: "Not found in this tenant.",
    405: "Method not allowed.",
    408: "The body did not arrive in time.",
    409: "Conflict. `errors` has the details.",
    412: "The precondition doesn't match the current version.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too many requests. `Retry-After` says how long to wait.",
    428: "It already exists, and the request has no precondition.",
}
BODY = (400, 408, 413, 415)


class ResourceNotFound(NotFound):
    """Not found."""


class UnsupportedMediaType(Invalid):
    """The body must be application/json."""

    status = 415


class InvalidDocument(Invalid):
    """The document is not one of its kind.

    ``errors``: messages by dotted key.
    """

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__()
        self.errors = errors


def error_schemas(*statuses: int) -> dict[int, type[BaseModel]]:
    """Return the schemas of these errors for the description of an operation."""
    return {
        status: DetailedApiError if status in (400, 409) else ApiError for status in sorted(set(statuses))
    }


def register_handlers(api: NinjaAPI) -> None:
    """Register a handler for every exception of the domain."""
    api.add_exception_handler(DomainError, _domain_error)
    api.add_exception_handler(OAuthError, _token_error)
    api.add_exception_handler(TooManyMails, _too_many_mails)
    api.add_exception_handler(InvalidDocument, _invalid)
    api.add_exception_handler(InvalidObject, _refused)
    api.add_exception_handler(InvalidFlow, _refused)
    api.add_exception_handler(BadBlueprint, _bad_blueprint)


def detailed_error_response(status: int, errors: dict[str, list[str]]) -> HttpResponse:
    """Return all errors by key, never the submitted values."""
    first = next((f"{key}: {texts[0]}" if key else texts[0] for key, texts in errors.items()), "")
    return error_response(status, "invalid_request" if status == 400 else "refused", first, errors=errors)


def errors_by_key(findings: Any) -> dict[str, list[str]]:
    """Return the findings about a flow by dotted key."""
    errors: dict[str, list[str]] = {}
    for each in findings:
        errors.setdefault(".".join(map(str, each.path)), []).append(each.message)
    return errors


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    return detailed_error_response(400, error.errors)


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return detailed_error_response(
        409, errors_by_key(error.findings) if isinstance(error, InvalidFlow) else error.errors
    )


def _domain_error(request: HttpRequest, error: Any) -> HttpResponse:
    return error_response(error.status, error.code, str(error))


def _too_many_mails(request: HttpRequest, error: Any) -> HttpResponse:
    """Return 429 with the seconds to wait (RFC 6585 section 4)."""
    wait: Any = {"Retry_After": str(max(1, ceil((error.until - timezone.now()).total_seconds())))}
    return error_response(429, "too_many_requests", str(error), **wait)


def _token_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the challenge (RFC 6750 section 3), without an error code if no token was sent (section 3.1)."""
    challenge = 'Bearer realm="api"'
    if not isinstance(error, MissingToken):
        challenge += f', error="{error.code}", error_description="{error.description}"'
    bearer = isinstance(error, InvalidToken | InsufficientScope)
    headers: Any = {"WWW_Authenticate": challenge} if bearer else {}
    return error_response(error.status, error.code, error.description, **headers)


def _bad_blueprint(request: HttpRequest, error: Any) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    for each in error.problems[:MAX_PROBLEMS]:
        errors.setdefault(each.key, []).append(f"line {each.line}, column {each.column}: {each.message}")
    return detailed_error_response(400, errors)
