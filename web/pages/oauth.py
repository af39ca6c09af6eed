"""The protocol's endpoints: each parses, calls one verb and renders."""

import re

from django.http import HttpRequest, HttpResponse, JsonResponse

from idp.devices.endpoint import authorize_device
from idp.oauth import keys, userinfo
from idp.oauth.discovery import metadata
from idp.oauth.errors import MissingToken
from idp.oauth.forms import Form, parse_form
from idp.oauth.grant import exchange
from web.pages.errors import protocol

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Each host has documents of its own, and which host it is a proxy may say: no cache that is shared may keep
# them.
_DOCUMENT = {"Cache-Control": "private, max-age=300", "Access-Control-Allow-Origin": "*"}


def issuer_of(request: HttpRequest) -> str:
    """Scheme and host under which the client reached this tenant: byte for byte the ``iss`` of its tokens
    (K4).

    One for all spellings of the host: idp/tenancy/middleware.py.
    """
    return f"{request.scheme}://{request.get_host()}"


def site_of(request: HttpRequest, domain: str) -> str:
    """Scheme and host of another tenant, at the port at which this one is reached."""
    port = re.search(r":\d+\Z", request.get_host())
    return f"{request.scheme}://{domain}{port[0] if port else ''}"


@protocol("POST")
def device(request: HttpRequest) -> HttpResponse:
    """Device authorization endpoint (RFC 8628 section 3.1)."""
    answer = authorize_device(request.headers.get("Authorization", ""), _form(request), issuer_of(request))
    return JsonResponse(answer, headers=_NO_STORE)


@protocol("POST")
def token(request: HttpRequest) -> HttpResponse:
    """Token endpoint (RFC 6749 section 3.2)."""
    answer = exchange(request.headers.get("Authorization", ""), _form(request), issuer_of(request))
    return JsonResponse(answer.as_json(), headers=_NO_STORE)


@protocol("GET", "POST")
def user_info(request: HttpRequest) -> HttpResponse:
    """UserInfo endpoint (OpenID Connect Core section 5.3); the token only in the Authorization header (RFC
    6750 section 2.1).
    """
    scheme, _, access_token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not access_token.strip():
        raise MissingToken
    return JsonResponse(userinfo.claims_for(access_token.strip(), issuer_of(request)), headers=_NO_STORE)


@protocol("GET", "HEAD")
def jwks(request: HttpRequest) -> HttpResponse:
    """The JWK Set (RFC 7517 section 5)."""
    return JsonResponse(keys.published(), headers=_DOCUMENT)


@protocol("GET", "HEAD")
def discovery(request: HttpRequest) -> HttpResponse:
    """Both well-known documents (OpenID Connect Discovery section 4, RFC 8414 section 3)."""
    return JsonResponse(metadata(issuer_of(request)), headers=_DOCUMENT)


def _form(request: HttpRequest) -> Form:
    return parse_form(request.headers.get("Content-Type", ""), request.body)
