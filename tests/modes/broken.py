"""The product with faults built in, for tests of what a server process logs.

Usage: ``DJANGO_SETTINGS_MODULE=tests.modes.broken_settings``.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.module_loading import import_string

from web.urls import urlpatterns as _ours


def fail(request: HttpRequest, **parts: Any) -> HttpResponse:
    """Fail with a message that contains all of the request, on several lines."""
    query, form = request.META["QUERY_STRING"], dict(request.POST.lists())
    try:
        raise LookupError(f"{request.get_full_path()!r}")
    except LookupError as error:
        raise RuntimeError(f"{request!r} {query}\n{parts} {form}\n{request.build_absolute_uri()}") from error


urlpatterns = [path("broken/<str:token>", fail), path("recover/<str:token>", fail), *_ours]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The product's application, but requests below /outside fail before Django sees them."""
    if scope["type"] == "http" and scope["path"].startswith("/outside"):
        raise RuntimeError(f"no {scope['path']}?{scope['query_string'].decode()}\nat {scope['path']}")
    await import_string("idp.asgi.application")(scope, receive, send)
