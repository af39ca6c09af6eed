"""Rules for every address of the JSON API: one shape of errors, JSON bodies, no submitted value repeated."""

from typing import Any

import pytest

from flows.models import Run
from tests.support.client import Doors

JSON = "application/json"


def the_error(response: Any) -> tuple[int, str]:
    """Return status and code of an error, after checking that it has these two members and no other."""
    body = response.json()
    assert response["Content-Type"] == JSON
    assert set(body) == {"error", "error_description"}
    assert body["error_description"].strip()
    return response.status_code, body["error"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/runs",
        "/api/nothing/",
        "/api/runs/x/nothing",
        "/api/runs/a.b/",
        "/api/docs/",
        "/api/openapi.json",
        "/api/a%0Ab",
    ],
)
def test_nothing_at_this_address(door: Doors, path: str, method: str) -> None:
    """An unknown address is a 404 in JSON without a cookie or a form's token; no documentation is served."""
    for host in ("acme.test", "other.test"):
        assert the_error(door(host).http.generic(method, path)) == (404, "not_found")


def test_the_reference_is_in_the_console(door: Doors) -> None:
    """The usual address of the reference redirects to the console, and from there to the sign-in."""
    response = door().http.get("/api/docs")
    assert (response.status_code, response["Location"]) == (302, "/console/api/")
    assert door().http.get("/console/api/")["Location"].startswith("/sign-in")


def test_each_error_has_the_one_shape(door: Doors, settings: Any) -> None:
    """400, 401, 404, 405, 413, 415 and 429 share one shape and have their headers, at both tenants."""
    for host in ("acme.test", "other.test"):
        http = door(host).http
        secret = {"Authorization": "Run x"}
        assert the_error(http.post("/api/runs/", {}, content_type=JSON)) == (400, "invalid_request")
        unauthorized = http.get("/api/runs/x/")
        assert (the_error(unauthorized), unauthorized["WWW-Authenticate"]) == (
            (401, "unauthorized"),
            'Run realm="run"',
        )
        assert the_error(http.get("/api/runs/x/", headers=secret)) == (404, "no_such_run")
        wrong = http.generic("PATCH", "/api/runs/x/", headers=secret)
        assert (the_error(wrong), wrong["Allow"]) == ((405, "invalid_request"), "GET, POST")
        wrong = http.generic("GET", "/api/runs/x/restart", headers=secret)
        assert (the_error(wrong), wrong["Allow"]) == ((405, "invalid_request"), "POST")
        assert the_error(
            http.post("/api/runs/x/", b'"' + b"x" * 70_000, content_type=JSON, headers=secret)
        ) == (
            413,
            "invalid_request",
        )
        assert the_error(http.post("/api/runs/x/", {"step": "x"}, headers=secret)) == (415, "invalid_request")
    settings.RUNS_PER_ADDRESS = 0
    full = door().http.post("/api/runs/", {"for": "device_code"}, content_type=JSON)
    assert (the_error(full), full["Retry-After"]) == ((429, "too_many_runs"), "300")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "for"),
        ({"for": 1}, "for"),
        ({"for": "everything"}, "for"),
        ({"for": "part"}, "for"),
        ({"for": "device_code", "user_code": None}, "user_code"),
        ({"for": "device_code", "user_code": {"value": "hunter2"}}, "user_code"),
        ({"for": "device_code", "hints": {"again": "//evil.example"}}, "hints"),
        ({"for": "device_code", "purpose": "authentication"}, "purpose"),
    ],
)
def test_the_member_is_named_and_its_value_is_not(door: Doors, body: dict[str, Any], named: str) -> None:
    """An error names the member but never repeats its value.

    The value may be a password in the wrong place, and many programs log errors.
    """
    response = door().http.post("/api/runs/", body, content_type=JSON)
    assert the_error(response) == (400, "invalid_request")
    assert response.json()["error_description"].startswith(f"{named}: ")
    assert "hunter2" not in response.content.decode()
    assert not Run.unscoped.exists()


@pytest.mark.parametrize(
    "body",
    [
        b'{"for": NaN}',
        b'{"for": "device_code", "user_code": Infinity}',
        b'{"for": ' + b"[" * 25 + b"]" * 25 + b"}",
        b'{"for": ["\\udfff"]}',
        b'{"\\ud800": "device_code"}',
        b'{"for": ' + b"1" * 5_000 + b"}",
        b'\xef\xbb\xbf{"for": "device_code"}x',
    ],
)
def test_what_is_not_json_or_not_text(door: Doors, body: bytes) -> None:
    """RFC 8259: NaN and half of a surrogate pair are refused.

    Nesting is bounded long before the stack is exhausted.
    """
    assert the_error(door().http.post("/api/runs/", body, content_type=JSON)) == (400, "invalid_request")


def test_only_json_is_read_as_json(door: Doors) -> None:
    """A request with another content type is a 415, even without a body.

    A body that another site's form can send is never read, so no cookie and no form token is needed.
    """
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""):
        assert the_error(door().http.generic("POST", "/api/runs/", b"", content_type=kind)) == (
            415,
            "invalid_request",
        )
    assert (
        door()
        .http.post("/api/runs/", {"for": "device_code"}, content_type="application/json; charset=utf-8")
        .status_code
        == 201
    )


def test_a_fault_of_ours_says_nothing_of_itself(door: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """An internal error is a 500 in the shape of all errors, without any detail of the failure."""

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the database's password is hunter2")

    monkeypatch.setattr("flows.engine.starting.start", broken)
    http = door().http
    http.raise_request_exception = False
    response = http.post("/api/runs/", {"for": "device_code"}, content_type=JSON)
    assert the_error(response) == (500, "server_error")
    assert "hunter2" not in response.content.decode()
