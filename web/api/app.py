"""The JSON API: its routers, its error handling and its OpenAPI document."""

import json
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import override
from ninja import NinjaAPI

from web import __version__
from web.api import errors
from web.api.admin import (
    blueprint_secrets,
    blueprints,
    devices,
    extras,
    failures,
    flows,
    objects,
    overview,
    recipes,
    tenants,
)
from web.api.admin.openapi import complete_document
from web.api.body import BodyParser, require_json
from web.api.errors import error_response
from web.api.runs import runs

_PREFIX, _NAME = "/api/", "api"


class Api(NinjaAPI):
    """The framework's API with another content type."""

    def get_content_type(self) -> str:
        """Return the type without a charset, which it does not have (RFC 8259 section 11)."""
        return "application/json"


api = Api(
    title="Foyer",
    version=__version__,
    description=(
        "A run takes one person through a flow: start it, answer its challenges, read how it ended. "
        "Everything else does what the console does, "
        "with an access token of a person who has a role. Only application/json, no cookies."
    ),
    openapi_url=None,
    docs_url=None,
    urls_namespace=_NAME,
    parser=BodyParser(),
)
runs.router.add_decorator(require_json, mode="view")
api.add_router("/runs", runs.router)
with override("en"):  # specific routers come before the generic ones of all objects
    for _prefix, _router in (
        *extras.ROUTERS,
        *recipes.ROUTERS,
        ("", overview.router),
        ("/devices", devices.router),
        ("/tenants", tenants.router),
        ("/flows", flows.router),
        ("/blueprints", blueprints.router),
        ("/blueprint-secrets", blueprint_secrets.router),
        *objects.build_routers(),
    ):
        api.add_router(_prefix, _router)
errors.register_handlers(api)
failures.register_handlers(api)


def urls() -> tuple[list[URLPattern], str, str]:
    """Return the URL patterns of the API. Every other URL below it is a 404 of the same shape."""
    patterns = [each for each in api.urls[0] if isinstance(each, URLPattern) and each.name != "api-root"]
    own = [
        path(str(each.pattern), _dispatch(patterns[at:]), name=each.name) for at, each in enumerate(patterns)
    ]
    return [*own, path("docs", _docs), path("", _not_found), path("<any:anything>", _not_found)], _NAME, _NAME


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document in English.

    It is generated once, because that takes two seconds.
    """
    return dict(json.loads(_document_json()))


@cache
def _document_json() -> str:
    with override("en"):
        # lazy titles are rendered here
        return json.dumps(complete_document(api.get_openapi_schema(path_prefix=_PREFIX)), default=str)


def render_document() -> str:
    """Return the document as it is committed: with sorted keys and one newline at the end."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _dispatch(patterns: list[URLPattern]) -> Callable[..., HttpResponse]:
    """Return a view that calls the first of these patterns that accepts the method.

    The key of an object may look like a URL below another object, so several patterns may match. If none
    accepts the method, the response is a 405 like any other error.
    """

    @wraps(patterns[0].callback)
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = patterns[0].callback(request, *args, **kwargs)
        allowed = set[str]()
        for other in patterns[1:]:
            if response.status_code != 405:
                return response
            allowed |= set(response["Allow"].split(", "))
            found = other.pattern.match(request.path_info.removeprefix(_PREFIX))
            response = other.callback(request, *found[1], **found[2]) if found else response
        if response.status_code != 405:
            return response
        names = sorted(allowed | set(response["Allow"].split(", ")))
        return error_response(405, "invalid_request", f"Use {' or '.join(names)}.", Allow=", ".join(names))

    return view


def _docs(request: HttpRequest) -> HttpResponse:
    """Redirect to the reference in the console, because people look for it here."""
    return HttpResponseRedirect(reverse("console:api-docs"))


def _not_found(request: HttpRequest, anything: str = "") -> HttpResponse:
    return error_response(404, "not_found", "Not found: check the address.")


_docs.csrf_exempt = _not_found.csrf_exempt = True  # type: ignore[attr-defined]
