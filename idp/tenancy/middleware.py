"""Puts the tenant of the request's host in scope; any other or malformed Host is a plain 404."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound

from idp.tenancy.hosts import find_tenant, host_name
from idp.tenancy.scope import tenant_scope


class TenantMiddleware:
    """Comes before everything that reads a table of a tenant."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = host_name(request.META.get("HTTP_HOST", ""))
        tenant = name and find_tenant(name)
        if not tenant:
            return HttpResponseNotFound("Nothing is served under this host name.\n", content_type="text/plain")
        request.tenant_name = tenant.name  # type: ignore[attr-defined]  # for the request's line in the log, outside the scope
        with tenant_scope(tenant):
            return self.get_response(request)
