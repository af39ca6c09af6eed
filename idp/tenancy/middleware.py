"""Sets the tenant of the request's host and normalizes the host.

A request with an unknown or malformed host gets a 404.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from idp.foundation import addresses
from idp.tenancy.hosts import find_tenant
from idp.tenancy.scope import tenant_scope


class TenantMiddleware:
    """The middleware; it must come before everything that reads a table of a tenant."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._refuse: Callable[[HttpRequest], HttpResponse] = import_string(settings.UNKNOWN_HOST_VIEW)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = addresses.parse_host(request.META.get("HTTP_HOST", ""), str(request.scheme))
        tenant = found and find_tenant(found[0])
        if not tenant:
            return self._refuse(request)
        request.META["HTTP_HOST"] = "".join(found or ())
        _normalize_origin(request)
        # for the request's log line, which is written outside the scope
        request.tenant_name = tenant.name  # type: ignore[attr-defined]
        with tenant_scope(tenant):
            return self.get_response(request)


def _normalize_origin(request: HttpRequest) -> None:
    """Normalize the Origin header, because CSRF protection compares it with the host.

    With a trailing dot, every form would otherwise count as that of another site.
    """
    scheme, _, rest = request.META.get("HTTP_ORIGIN", "").partition("://")
    if found := addresses.parse_host(rest, scheme):
        request.META["HTTP_ORIGIN"] = f"{scheme}://{''.join(found)}"
