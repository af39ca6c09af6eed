"""Errors of the JSON API: ``{"error", "error_description"}``, including those that the framework finds."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from flows.validation_messages import describe_error
from idp.foundation.errors import Forbidden, Invalid, message_of
from web.api.schemas import ApiError
from web.pages.errors import BODY_ERRORS, ENGINE_ERRORS, engine_error_response

DESCRIPTIONS: dict[int, str] = {
    400: "The body is invalid; the description names the field.",
    401: "The run's secret is missing.",
    404: "Not found, or not accessible with this secret.",
    405: "Method not allowed.",
    408: "The body did not arrive in time.",
    409: "The run has changed in the meantime.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too many requests.",
}
READ, WRITE = (401, 404, 405), (400, 404, 405, 408, 413, 415, 429)


class InvalidBody(Invalid):
    """The body must be a JSON object with the fields of this operation."""


class MissingRunSecret(Forbidden):
    """Send the run's secret as Authorization: Run …"""  # noqa: D400

    status = 401
    code = "unauthorized"


def error_response(
    status: int,
    error: str,
    description: str,
    *,
    errors: Mapping[str, list[str]] | None = None,
    **headers: str,
) -> JsonResponse:
    """Return an error response.

    ``errors``: all errors by key. ``headers``: named with underscores instead of hyphens.
    """
    body: dict[str, Any] = ApiError(error=error, error_description=description).model_dump()
    if errors:
        body["errors"] = dict(errors)
    return JsonResponse(
        body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def error_schemas(*statuses: int) -> dict[int, Any]:
    """Return the schemas of these errors for the description of an operation."""
    return dict.fromkeys(sorted(set(statuses)), ApiError)


def register_handlers(api: NinjaAPI) -> None:
    """Register a handler for every exception that an operation may raise."""
    for engine_error in ENGINE_ERRORS:
        api.add_exception_handler(engine_error, _engine_error)
    for too_large in BODY_ERRORS:
        api.add_exception_handler(too_large, _too_large)
    api.add_exception_handler(MissingRunSecret, _no_secret)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(ValidationError, _invalid)


def _engine_error(request: HttpRequest, error: Any) -> HttpResponse:
    return engine_error_response(error)


def _too_large(request: HttpRequest, error: Any) -> HttpResponse:
    return error_response(413, "invalid_request", "The body is too large.")


def _no_secret(request: HttpRequest, error: Any) -> HttpResponse:
    return error_response(
        401, "unauthorized", message_of(MissingRunSecret), WWW_Authenticate='Run realm="run"'
    )


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the message of what the parser raised, which the framework wraps."""
    return error_response(error.status_code, "invalid_request", str(error.__cause__ or InvalidBody()))


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the first error with its place in the body, never the submitted value."""
    first = error.errors[0]
    place = ".".join(str(each)[:50] for each in first["loc"][2:]) or "The body"
    return error_response(400, "invalid_request", f"{place}: {describe_error(first)}")
