"""Security headers, the nonce of the one inline style rule, and the context of every page."""

import secrets
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from idp.tenancy.scope import tenant_or_none

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self' 'nonce-{nonce}'",
    "script-src": "'self' 'nonce-{nonce}'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def content_security_policy(request: HttpRequest, **overrides: str) -> str:
    """Return the Content-Security-Policy of a response.

    A page that needs another one passes the directives that differ: ``frame_src="'self'"``.
    """
    directives = _POLICY | {name.replace("_", "-"): value for name, value in overrides.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items()).format(
        nonce=getattr(request, "csp_nonce", "")
    )


class NonceRequest(HttpRequest):
    """A request whose response may contain one inline style sheet."""

    csp_nonce: str


class HeadersMiddleware:
    """Adds security headers to every response.

    The Content-Security-Policy has neither unsafe-inline nor unsafe-eval. Nothing is cached, framed or
    sniffed.
    """

    def __init__(self, get_response: Callable[[NonceRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: NonceRequest) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce
        response = self.get_response(request)
        for name, value in {
            "Content-Security-Policy": content_security_policy(request),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Cache-Control": "no-store",
        }.items():
            response.headers.setdefault(name, value)
        # over plain HTTP, browsers ignore both headers and log a warning about the second
        if request.is_secure():
            for morsel in response.cookies.values():
                morsel["secure"] = True
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        return response


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Return the context of every template: the tenant, or None outside of any, and the nonce."""
    return {"tenant": tenant_or_none(), "csp_nonce": getattr(request, "csp_nonce", "")}
