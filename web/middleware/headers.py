"""Security headers of every answer, the nonce of the style sheet's one inline rule, and what every page
knows.
"""

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


def policy(request: HttpRequest, **overrides: str) -> str:
    """The Content-Security-Policy of an answer; a page that needs another one says which directives differ:
    ``frame_src="'self'"``.
    """
    directives = _POLICY | {name.replace("_", "-"): value for name, value in overrides.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items()).format(
        nonce=getattr(request, "csp_nonce", "")
    )


class NonceRequest(HttpRequest):
    """A request whose answer may hold one inline style sheet."""

    csp_nonce: str


class HeadersMiddleware:
    """A strict Content-Security-Policy without unsafe-inline and unsafe-eval; nothing is cached, framed or
    sniffed.
    """

    def __init__(self, get_response: Callable[[NonceRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: NonceRequest) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce
        response = self.get_response(request)
        for name, value in {
            "Content-Security-Policy": policy(request),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Cache-Control": "no-store",
        }.items():
            response.headers.setdefault(name, value)
        # over plain HTTP browsers ignore both headers, and complain about the second in their console
        if request.is_secure():
            for morsel in response.cookies.values():
                morsel["secure"] = True
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        return response


def page_context(request: HttpRequest) -> dict[str, Any]:
    """What every template may use: the tenant (None outside any) and the nonce."""
    return {"tenant": tenant_or_none(), "csp_nonce": getattr(request, "csp_nonce", "")}
