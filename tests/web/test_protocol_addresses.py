"""Every address below the protocol's prefix returns the protocol's JSON, with or without a slash."""

from typing import Any

import httpx
import pytest
from django.conf import settings

from idp.tenancy.models import Tenant
from tests.support.client import DEVICE_CODE, Doors, LiveServer, Started
from tests.support.oauth import DEVICE, TOKEN, USERINFO, outcome, tokens_of

JWKS, EVENTS = "/application/o/jwks/", "/application/o/device/events"
DOCUMENTS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
NOTHING = [
    "/application/o/",
    "/application/o/nothing",
    "/application/o/token/x",
    "/application/o/token//",
    "/application/o//token",
    "/application/o/Token/",
    "/application/o/device/events/x",
    "/.well-known/",
    "/.well-known/nothing",
    "/.well-known/openid-configuration/tenant",
    "/.well-known/change-password",
    "/application/o",
    "/.well-known",
    "/Application/O/token/",
    "/.Well-Known/openid-configuration",
    "/%2Fapplication/o/token/",
]


def test_a_device_without_slashes(door: Doors, acme: Tenant) -> None:
    """RFC 8628: the whole flow works without a redirect, because no program repeats a POST."""
    device = door()
    response = device.post(DEVICE.rstrip("/"), {"client_id": "tv", "scope": "openid"})
    assert response.status_code == 200, response.content
    started = Started(response.json())
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started.device_code}
    assert outcome(device.post(TOKEN.rstrip("/"), form)) == (400, "authorization_pending")
    door().approve(started)
    access = tokens_of(device.post(TOKEN.rstrip("/"), form))["access_token"]
    for method in (device.http.get, device.http.post):
        assert method(USERINFO.rstrip("/"), HTTP_AUTHORIZATION=f"Bearer {access}").status_code == 200


@pytest.mark.parametrize("path", [JWKS, *DOCUMENTS])
def test_documents_are_the_same_with_and_without_the_slash(door: Doors, path: str) -> None:
    """M1, O18: both addresses return the same document, which names one address of each endpoint."""
    bare = path.rstrip("/")
    found = [door().get(address) for address in (bare, f"{bare}/")]
    assert [response.status_code for response in found] == [200, 200]
    assert found[0].json() == found[1].json()
    named = [
        value
        for name, value in door().get(DOCUMENTS[0]).json().items()
        if name.endswith(("_endpoint", "jwks_uri"))
    ]
    assert all(value.startswith("http://acme.test/application/o/") and value.endswith("/") for value in named)


def test_the_stream_has_two_addresses_too(live: LiveServer, door: Doors) -> None:
    """The stream of an approved device reports the state and ends, at both addresses."""
    started = door(f"acme.test:{live.port}").start()
    door().approve(started)
    headers = {"Host": f"acme.test:{live.port}", "Authorization": f"Device {started.device_code}"}
    for address in (EVENTS, f"{EVENTS}/"):
        with httpx.stream("GET", f"http://127.0.0.1:{live.port}{address}", headers=headers) as answer:
            assert (answer.status_code, next(answer.iter_lines())) == (200, "event: approved")


@pytest.mark.parametrize("host", ["acme.test", "unknown.test", "acme.test:0", ""])
@pytest.mark.parametrize("path", NOTHING)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_what_is_not_there(door: Doors, host: str, path: str, method: str) -> None:
    """K4: an unknown address is JSON, under an unknown host name too."""
    _is_an_error(door(host).http.generic(method, path), 404)


@pytest.mark.parametrize("path", [DEVICE, TOKEN, USERINFO, JWKS, *DOCUMENTS])
@pytest.mark.parametrize("slash", ["", "/"])
def test_wrong_methods_and_large_bodies(door: Doors, path: str, slash: str) -> None:
    """B25: a wrong method is a 405 with Allow, and a large body is a 413.

    An unknown host is a 404 before anything else.
    """
    address = path.rstrip("/") + slash
    wrong = door().http.generic("DELETE", address)
    assert wrong["Allow"]
    _is_an_error(wrong, 405)
    if path in (DEVICE, TOKEN):
        _is_an_error(door().post(address, b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)), 413)
        _is_an_error(door().post(address, "{}", content_type="application/json"), 415)
    _is_an_error(door("unknown.test").http.generic("POST", address), 404)


def _is_an_error(found: Any, status: int) -> None:
    assert (found.status_code, found["Content-Type"], found["Cache-Control"]) == (
        status,
        "application/json",
        "no-store",
    )
    assert found.json()["error"] == "invalid_request"
