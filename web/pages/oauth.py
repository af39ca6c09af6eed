"""The protocol's endpoints: each parses the request, calls one function and renders the result."""

import re

from django.http import HttpRequest, HttpResponse, JsonResponse

from idp.devices.endpoint import authorize_device
from idp.oauth import keys, userinfo
from idp.oauth.discovery import metadata
from idp.oauth.errors import MissingToken
from idp.oauth.forms import Form, parse_form
from idp.oauth.grant import exchange
from web.pages.errors import protocol_endpoint

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Each host has its own documents, and a proxy may forward the host in a header: shared caches must not store
# them.
_DOCUMENT = {"Cache-Control": "private, max-age=300", "Access-Control-Allow-Origin": "*"}


def get_issuer(request: HttpRequest) -> str:
    """Return the scheme and host under which the client reached this tenant.

    It is byte for byte the ``iss`` of the tokens (K4), the same one for all spellings of the host
    (idp/tenancy/middleware.py).
    """
    return f"{request.scheme}://{request.get_host()}"


def tenant_origin(request: HttpRequest, domain: str) -> str:
    """Return the scheme and host of another tenant, with the port at which this one was reached."""
    port = re.search(r":\d+\Z", request.get_host())
    return f"{request.scheme}://{domain}{port[0] if port else ''}"


@protocol_endpoint("POST")
def device(request: HttpRequest) -> HttpResponse:
    """Serve the device authorization endpoint (RFC 8628 section 3.1)."""
    answer = authorize_device(request.headers.get("Authorization", ""), _form(request), get_issuer(request))
    return JsonResponse(answer, headers=_NO_STORE)


@protocol_endpoint("POST")
def token(request: HttpRequest) -> HttpResponse:
    """Serve the token endpoint (RFC 6749 section 3.2)."""
    answer = exchange(request.headers.get("Authorization", ""), _form(request), get_issuer(request))
    return JsonResponse(answer.as_json(), headers=_NO_STORE)


@protocol_endpoint("GET", "POST")
def user_info(request: HttpRequest) -> HttpResponse:
    """Serve the UserInfo endpoint (OpenID Connect Core section 5.3).

    The token is accepted only in the Authorization header (RFC 6750 section 2.1).
    """
    scheme, _, access_token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not access_token.strip():
        raise MissingToken
    return JsonResponse(userinfo.claims_for(access_token.strip(), get_issuer(request)), headers=_NO_STORE)


@protocol_endpoint("GET", "HEAD")
def jwks(request: HttpRequest) -> HttpResponse:
    """Serve the JWK Set (RFC 7517 section 5)."""
    return JsonResponse(keys.key_set(), headers=_DOCUMENT)


@protocol_endpoint("GET", "HEAD")
def discovery(request: HttpRequest) -> HttpResponse:
    """Serve both well-known documents (OpenID Connect Discovery section 4, RFC 8414 section 3)."""
    return JsonResponse(metadata(get_issuer(request)), headers=_DOCUMENT)


def _form(request: HttpRequest) -> Form:
    return parse_form(request.headers.get("Content-Type", ""), request.body)
