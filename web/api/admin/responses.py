"""Answers of the API that carry headers."""

from typing import Any

from django.http import HttpResponse, JsonResponse


def answer(data: Any, status: int = 200, **headers: str) -> JsonResponse:
    """JSON; ``headers`` with underscores for hyphens, empty ones left out."""
    named = {name.replace("_", "-"): value for name, value in headers.items() if value}
    return JsonResponse(data, status=status, headers=named)


def empty(status: int, **headers: str) -> HttpResponse:
    """An answer without a body, and so without a type of one."""
    response = HttpResponse(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    del response["Content-Type"]
    return response
