"""Responses of the API with headers."""

from typing import Any

from django.http import HttpResponse, JsonResponse


def json_response(data: Any, status: int = 200, **headers: str) -> JsonResponse:
    """Return JSON.

    ``headers``: named with underscores instead of hyphens; empty ones are omitted.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items() if value}
    return JsonResponse(data, status=status, headers=named)


def empty_response(status: int, **headers: str) -> HttpResponse:
    """Return a response without a body and therefore without a content type."""
    response = HttpResponse(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    del response["Content-Type"]
    return response
