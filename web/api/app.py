"""The JSON API as a whole: its operations, what holds for all of them, and its OpenAPI document."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import override
from ninja import NinjaAPI

from web import __version__
from web.api import runs
from web.api.body import BodyParser, json_only
from web.api.problems import HEADERS, MEANING, listen, problem

_PREFIX, _NAME = "/api/", "api"


class Api(NinjaAPI):
    """The framework's, but for one header."""

    def get_content_type(self) -> str:
        """Without a charset, which this type does not have (RFC 8259 section 11)."""
        return "application/json"


api = Api(
    title="Foyer",
    version=__version__,
    description="A run is one walk through a flow: begin it, answer its challenges, read how it ended. Only application/json, no cookies.",
    openapi_url=None,
    docs_url=None,
    urls_namespace=_NAME,
    parser=BodyParser(),
)
api.add_decorator(json_only, mode="view")
api.add_router("/runs", runs.router)
listen(api)


def urls() -> tuple[list[URLPattern], str, str]:
    """Every address of the API; any other one below it is a 404 of the same shape."""
    patterns = [each for each in api.urls[0] if isinstance(each, URLPattern) and each.name != "api-root"]
    own = [path(str(each.pattern), _door(each.callback), name=each.name) for each in patterns]
    return [*own, path("", _nothing), path("<path:anything>", _nothing)], _NAME, _NAME


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, in English."""
    with override("en"):
        described: dict[str, Any] = api.get_openapi_schema(path_prefix=_PREFIX)
    for operations in described["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                _explain(status, response)
    return described


def written() -> str:
    """The document as it is committed: keys in order, one newline at the end."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _explain(status: int, response: dict[str, Any]) -> None:
    response["description"] = MEANING.get(status, response["description"])
    if status in HEADERS:
        name, meaning = HEADERS[status]
        response["headers"] = {name: {"description": meaning, "required": True, "schema": {"type": "string"}}}


def _door(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """A wrong method is answered as any other error."""

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = sorted(response["Allow"].split(", "))
        return problem(405, "invalid_request", f"Use {' or '.join(allowed)}.", Allow=", ".join(allowed))

    return asked


def _nothing(request: HttpRequest, anything: str = "") -> HttpResponse:
    return problem(404, "not_found", "There is nothing at this address.")


_nothing.csrf_exempt = True  # type: ignore[attr-defined]
