"""Preconditions of requests (RFC 9110 section 13): two programs do not overwrite each other."""

import re

from django.http import HttpRequest, HttpResponse

from idp.foundation.errors import Changed, Conflict
from web.api.admin.responses import empty

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
ANY = "*"


class Failed(Changed):
    """The precondition doesn't match the current version. Read it again."""


class Wanted(Conflict):
    """It already exists. Send If-Match with the ETag you last read, or If-Match: * to overwrite it."""

    status = 428
    code = "precondition_required"


def quoted(etag: str) -> str:
    """As it stands in a header."""
    return f'"{etag}"'


def check(request: HttpRequest, etag: str | None, *, required: bool = False) -> str | None:
    """The state that the caller expects, None for any. ``etag``: of what is there now, None where nothing is.

    Raises Failed; and Wanted where something is there, ``wanted`` says that one must have seen it, and
    nothing is expected.
    """
    expected, absent = (
        _parse_tags(request, "If-Match", weak=False),
        _parse_tags(request, "If-None-Match", weak=True),
    )
    if absent is not None and etag is not None and (ANY in absent or etag in absent):
        raise Failed
    if expected is None:
        if required and etag is not None:
            raise Wanted
        return None
    if etag is None or not (ANY in expected or etag in expected):
        raise Failed
    return None if ANY in expected else etag


def unless_known(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """304 without a body where the caller has this very state already (section 13.1.2)."""
    known = _parse_tags(request, "If-None-Match", weak=True)
    if known is None or not (ANY in known or response["ETag"].strip('"') in known):
        return response
    return empty(304, ETag=response["ETag"])


def _parse_tags(request: HttpRequest, header: str, *, weak: bool) -> set[str] | None:
    """The tags of a header, ``*`` for any; None without it.

    One that is no list of tags names nothing that exists.
    """
    value = request.headers.get(header)
    if value is None:
        return None
    return (
        {ANY}
        if value.strip() == ANY
        else {tag for is_weak, tag in _TAG.findall(value) if weak or not is_weak}
    )
