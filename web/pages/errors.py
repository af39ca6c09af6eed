"""Responses to errors: the engine's in one table, the protocol's as JSON, and pages for people."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt

from flows.documents.designations import DEVICE_CODE
from flows.engine.executor import NoSuchRun
from flows.engine.run_limits import TooManyRuns
from flows.engine.starting import NoFlow, PageOutOfDate
from idp.foundation.errors import DomainError
from idp.oauth.errors import BodyTooLarge, InvalidClient, InvalidRequest, MissingToken, OAuthError
from web.middleware.outage import is_outage, is_program_path, is_protocol_path, unavailable_response

View = Callable[..., HttpResponse]

# The title and the message of the error page.
ENGINE_ERRORS: dict[type[DomainError], tuple[Any, Any]] = {
    NoSuchRun: (
        _("This page has expired"),
        _("This link belongs to another browser or has expired. Please start again."),
    ),
    NoFlow: (
        _("This isn't set up yet"),
        _("An administrator needs to publish a flow first."),
    ),
    PageOutOfDate: (_("This page is out of date"), _("Go back, reload it and try again.")),
    TooManyRuns: (
        _("Too many sign-ins"),
        _("Too many sign-ins are in progress from your network. Try again in a few minutes."),
    ),
}
BODY_ERRORS = (RequestDataTooBig, UnreadablePostError)


def protocol_endpoint(*methods: str) -> Callable[[View], View]:
    """Return a decorator for an endpoint of the protocol.

    The endpoint accepts only these methods, responds to errors as JSON with the right code, and is never
    cached.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def endpoint(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                return _oauth_error_response(
                    InvalidRequest(f"Use {' or '.join(methods)}."),
                    status=405,
                    headers={"Allow": ", ".join(methods)},
                )
            try:
                return view(request, *args, **kwargs)
            except OAuthError as error:
                return _oauth_error_response(error)
            except BODY_ERRORS:
                return _oauth_error_response(BodyTooLarge())

        return csrf_exempt(endpoint)  # the protocol reads no cookies

    return wrap


def render_engine_errors(view: View) -> View:
    """Show errors of the engine as a page."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except tuple(ENGINE_ERRORS) as error:
            title, message = ENGINE_ERRORS[type(error)]
            # A person whom a device sent here starts again. The code is not passed to another browser, so
            # they enter it again.
            context = {
                "title": title,
                "message": message,
                "device_url": isinstance(error, NoSuchRun) and reverse(DEVICE_CODE),
            }
            response = render(request, "pages/error.html", context, status=error.status)
            return _with_retry_after(response) if error.status == 429 else response

    return page


def engine_error_response(error: DomainError) -> JsonResponse:
    """Return an error of the engine for a JSON client."""
    message = str(ENGINE_ERRORS[type(error)][1])
    response = JsonResponse({"error": error.code, "error_description": message}, status=error.status)
    return _with_retry_after(response) if error.status == 429 else response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 400, or 413 for a body that is too large."""
    if is_protocol_path(request.path):
        return _error_json(400, "invalid_request", "The request is malformed.")
    if isinstance(exception, RequestDataTooBig):
        return _error_page(request, 413, _("Request too large"), _("Send less and try again."))
    return _error_page(request, 400, _("Bad request"), _("Go back and try again."))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 403."""
    if is_protocol_path(request.path):
        return _error_json(403, "access_denied", "The request was denied.")
    return _error_page(request, 403, _("You don't have access"), _("Ask an administrator for access."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return 403 for a form that this site did not issue, or for a browser without cookies."""
    return _error_page(
        request,
        403,
        _("This page is out of date"),
        _("Go back, reload it and try again. Make sure that cookies are allowed."),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 404."""
    if is_protocol_path(request.path):
        return _error_json(404, "invalid_request", "Not found: check the address.")
    return _error_page(request, 404, _("Page not found"), _("Check the address."))


def unknown_host(request: HttpRequest) -> HttpResponse:
    """Return 404 for a host name that no tenant has, without a design and without any part of the request."""
    if is_program_path(request.path):
        return _error_json(404, "invalid_request", "Nothing is served under this host name.")
    return HttpResponseNotFound("Nothing is served under this host name.\n", content_type="text/plain")


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 500 without details, or 503 for a temporary outage; as JSON for programs.

    Every exception that a view or a middleware does not handle ends here, while it is still being handled.
    """
    error = sys.exception()
    if error is not None and is_outage(error):
        return unavailable_response(request, error, as_json=is_program_path(request.path))
    if is_program_path(request.path):
        return _error_json(500, "server_error", "The error was logged. Try again in a moment.")
    return _error_page(
        request, 500, _("Something went wrong"), _("The error was logged. Please try again in a moment.")
    )


def method_not_allowed(request: HttpRequest, *allowed: str) -> HttpResponse:
    """Return 405 as a page."""
    response = _error_page(request, 405, _("That isn't possible here"), _("Go back and try again."))
    response["Allow"] = ", ".join(allowed)
    return response


def allow_methods(*methods: str) -> Callable[[View], View]:
    """Return a decorator that allows only these methods and shows a page for the others."""

    def wrap(view: View) -> View:
        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return (
                view(request, *args, **kwargs)
                if request.method in methods
                else method_not_allowed(request, *methods)
            )

        return page

    return wrap


def _error_page(request: HttpRequest, status: int, title: Any, message: Any) -> HttpResponse:
    return render(request, "pages/error.html", {"title": title, "message": message}, status=status)


def _error_json(status: int, code: str, description: str) -> JsonResponse:
    return JsonResponse(
        {"error": code, "error_description": description},
        status=status,
        headers={"Cache-Control": "no-store"},
    )


def _with_retry_after(response: Any, seconds: int = 300) -> Any:
    response["Retry-After"] = str(seconds)
    return response


def _oauth_error_response(
    error: OAuthError, status: int | None = None, headers: dict[str, str] | None = None
) -> JsonResponse:
    body = {"error": error.code, "error_description": error.description}
    response = JsonResponse(
        body,
        status=status or error.status,
        headers={"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})},
    )
    if isinstance(error, InvalidClient):
        response["WWW-Authenticate"] = 'Basic realm="client", charset="UTF-8"'
    elif isinstance(error, MissingToken):
        # without an error code, because no token was sent (RFC 6750 section 3.1)
        response["WWW-Authenticate"] = "Bearer"
    elif error.status in (401, 403):
        response["WWW-Authenticate"] = f'Bearer error="{error.code}", error_description="{error.description}"'
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response
