"""Parsing of request bodies: one JSON object with texts that a form could have posted."""

import json
from collections.abc import Callable
from functools import wraps
from math import isfinite
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja.parser import Parser

from web.api.errors import InvalidBody, error_response

_MAX_DEPTH = 20


class BodyParser(Parser):
    """A parser that is stricter than the framework's and raises InvalidBody."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Return the body as an object; raise InvalidBody.

        No text contains NUL or an unpaired surrogate (RFC 8259 section 8.2), no number is infinite (1e999,
        section 6), and the nesting is at most 20 levels deep.
        """
        try:
            body = json.loads(request.body, parse_constant=_reject_constant)
        except (ValueError, RecursionError):
            raise InvalidBody("The body is not valid JSON.") from None
        if not isinstance(body, dict):
            raise InvalidBody
        return {_validated(name): _validated(value) for name, value in body.items()}


def require_json(operation: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Respond with 415 to any other body: another site's form can send text/plain without permission."""

    @wraps(operation)
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and request.content_type != "application/json":
            return error_response(415, "invalid_request", "The body must be application/json.")
        return operation(request, *args, **kwargs)

    return view


def has_other_content_type(request: HttpRequest) -> bool:
    """Return whether the request has a body that is not JSON.

    A request with an access token needs no content type if it has no body.
    """
    has_body = "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") not in (
        "",
        "0",
    )
    return has_body and request.content_type != "application/json"


def _validated(value: Any, depth: int = _MAX_DEPTH) -> Any:
    if not depth:
        raise InvalidBody("The body is nested too deep.")
    if isinstance(value, str):
        try:
            return value.encode().decode().replace("\0", "")
        except UnicodeEncodeError:
            raise InvalidBody("A text is not valid Unicode.") from None
    if isinstance(value, float) and not isfinite(value):
        raise InvalidBody("A number is too large.")
    if isinstance(value, dict):
        return {_validated(name): _validated(each, depth - 1) for name, each in value.items()}
    return [_validated(each, depth - 1) for each in value] if isinstance(value, list) else value


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
