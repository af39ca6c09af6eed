"""Preconditions of requests (RFC 9110 section 13), so that two programs do not overwrite each other."""

import re

from django.http import HttpRequest, HttpResponse

from idp.foundation.errors import Changed, Conflict
from web.api.admin.responses import empty_response

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
ANY = "*"


class PreconditionFailed(Changed):
    """The precondition doesn't match the current version. Read it again."""


class PreconditionRequired(Conflict):
    """It already exists. Send If-Match with the ETag you last read, or If-Match: * to overwrite it."""

    status = 428
    code = "precondition_required"


def quote_etag(etag: str) -> str:
    """Return the ETag as it is written in a header."""
    return f'"{etag}"'


def check_preconditions(request: HttpRequest, etag: str | None, *, required: bool = False) -> str | None:
    """Check the preconditions and return the ETag that the caller expects, None for any.

    ``etag``: that of the current object, None if there is none. ``required``: the caller must state which one
    it has read. Raise PreconditionFailed if a precondition does not match, and PreconditionRequired if one is
    required, the object exists and the caller states none.
    """
    expected, absent = (
        _parse_tags(request, "If-Match", weak=False),
        _parse_tags(request, "If-None-Match", weak=True),
    )
    if absent is not None and etag is not None and (ANY in absent or etag in absent):
        raise PreconditionFailed
    if expected is None:
        if required and etag is not None:
            raise PreconditionRequired
        return None
    if etag is None or not (ANY in expected or etag in expected):
        raise PreconditionFailed
    return None if ANY in expected else etag


def conditional_response(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return 304 without a body if the caller already has this version (section 13.1.2)."""
    known = _parse_tags(request, "If-None-Match", weak=True)
    if known is None or not (ANY in known or response["ETag"].strip('"') in known):
        return response
    return empty_response(304, ETag=response["ETag"])


def _parse_tags(request: HttpRequest, header: str, *, weak: bool) -> set[str] | None:
    """Return the ETags of a header, ``*`` for any, or None if the header is missing.

    A malformed header matches no object.
    """
    value = request.headers.get(header)
    if value is None:
        return None
    return (
        {ANY}
        if value.strip() == ANY
        else {tag for is_weak, tag in _TAG.findall(value) if weak or not is_weak}
    )
