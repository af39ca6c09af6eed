"""The API reference of the console: parameters and responses of each operation, and a form to call it."""

from itertools import groupby
from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from web.api.app import document
from web.api.reference import DocumentedOperation, operations
from web.console.frame import ConsolePage, render_page
from web.console.requests import ConsoleRequest


def index(request: ConsoleRequest) -> HttpResponse:
    """Render the operations that match ``?q=``, grouped by tag."""
    query = request.GET.get("q", "").strip()[:100].lower()
    matching = [
        each for each in operations().values() if all(word in _search_text(each) for word in query.split())
    ]
    tags = [
        (tag, list(group))
        for tag, group in groupby(sorted(matching, key=lambda each: each.tag), key=lambda each: each.tag)
    ]
    context: dict[str, Any] = {"tags": tags, "words": query, "root": _root(request), "many": len(matching)}
    return render_page(request, "console/api_docs.html", title=_("API"), **context)


def detail(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render one operation, with a form that calls it with an access token that is not stored."""
    operation = operations().get(name)
    if operation is None:
        raise Http404
    context: dict[str, Any] = {
        "operation": operation,
        "root": _root(request),
        "back": reverse("console:api-docs"),
        "open": name in _PUBLIC,
    }
    return render_page(
        request, "console/api_docs_one.html", title=operation.summary, belongs_to=_("API"), **context
    )


def download(request: ConsoleRequest) -> HttpResponse:
    """Return the OpenAPI document as a file."""
    return JsonResponse(
        document(),
        headers={"Content-Disposition": 'attachment; filename="openapi.json"'},
        json_dumps_params={"indent": 2},
    )


_PUBLIC = ("start_run",)


def _root(request: ConsoleRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


def _search_text(operation: DocumentedOperation) -> str:
    return (
        f"{operation.method} {operation.path} {operation.summary} {operation.description} "
        f"{operation.permission} {operation.tag}"
    ).lower()


PAGES = (
    ConsolePage("api/", index, "api-docs", view_operation="overview.see"),
    ConsolePage("api/openapi.json", download, "api-docs-document", view_operation="overview.see"),
    ConsolePage("api/<slug:name>", detail, "api-docs-one", view_operation="overview.see"),
)
