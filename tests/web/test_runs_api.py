"""Runs as JSON: a device is connected without a page, and nothing works without the run's secret."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from flows.models import Run
from idp.accounts.models import Session
from idp.tenancy.models import Tenant
from tests.support.client import Door, Doors, Started
from tests.support.flows import device_state, draw


class Program:
    """A client that renders no HTML and stores no cookie; ``secret`` is all that it has."""

    def __init__(self, door: Door, purpose: str = "device_code", **more: str) -> None:
        self.door = door
        self.begun = door.http.post("/api/runs/", {"for": purpose, **more}, content_type="application/json")
        answer = self.begun.json()
        self.url, self.secret, self.now = answer.get("url", ""), answer.get("secret", ""), answer

    def look(self) -> Any:
        """Read the current challenge."""
        return self.door.http.get(self.url, headers={"Authorization": f"Run {self.secret}"})

    def answer(self, step: str | None = None, **fields: Any) -> Any:
        """Answer the current step, or the named one."""
        body = {"step": self.now.get("step", "") if step is None else step, "answer": fields}
        headers = {"Authorization": f"Run {self.secret}"}
        response = self.door.http.post(self.url, body, content_type="application/json", headers=headers)
        self.now = response.json()
        return self.now

    def to_consent(self, started: Started) -> "Program":
        """Answer as alice up to the consent."""
        self.answer(name="alice")
        self.answer(password="alice-password-1")
        self.answer(user_code=started.user_code)
        assert self.now["step"] == "consent"
        return self


def test_the_whole_journey(acme: Tenant, door: Doors) -> None:
    """Each challenge describes its fields as data; the session belongs to the run and ends with it."""
    device = door()
    started = device.start(scope="openid acme:read")
    program = Program(door())
    assert program.begun.status_code == 201
    assert (program.now["kind"], program.now["step"], program.now["stage"]) == (
        "ask",
        "identification",
        "identification",
    )
    assert program.now["fields"] == [
        {
            "name": "name",
            "label": "Username or email address",
            "type": "text",
            "required": True,
            "autocomplete": "username",
        }
    ]
    password = program.answer(name="alice")
    assert (password["step"], password["person"]) == ("password", "alice")
    assert password["fields"][0]["type"] == "password"
    assert program.answer(password="alice-password-1")["step"] == "device_code"
    assert Session.objects.filter(ended_at=None).count() == 1
    consent = program.answer(user_code=started.user_code)
    assert consent["context"]["user_code"] == started.user_code
    assert consent["context"]["application"]["name"] == "Acme TV"
    assert [scope["title"] for scope in consent["context"]["scopes"]] == [
        "Know who you are",
        "Read your Acme data",
    ]
    assert consent["fields"][0]["choices"] == [["approve", "Approve"], ["deny", "Deny"]]
    assert device_state(started) == "pending"
    assert program.answer(decision="approve")["kind"] == "last"
    assert device.poll(started).status_code == 200
    assert Session.objects.filter(ended_at=None).count() == 0
    assert "secret" not in program.look().json()


def test_denying(acme: Tenant, door: Doors) -> None:
    """The device gets the denial at once, and the session ends."""
    started = door().start()
    program = Program(door()).to_consent(started)
    assert program.answer(decision="deny")["kind"] == "denied"
    assert (device_state(started), Session.objects.filter(ended_at=None).count()) == ("denied", 0)
    assert program.answer(step="consent", decision="approve")["kind"] == "denied"
    assert device_state(started) == "denied"


def test_a_bare_authentication_hands_out_nothing(acme: Tenant, door: Doors) -> None:
    """The run ends in ``finished`` without a cookie, a key or a token."""
    draw("identification", "password", "login", flow="sign-in", **{"for": "authentication"})
    program = Program(door(), "authentication")
    program.answer(name="alice")
    done = program.answer(password="alice-password-1")
    assert (done["kind"], set(done)) == ("finished", {"kind", "run", "title"})
    assert not program.door.http.cookies
    assert Session.objects.filter(ended_at=None).count() == 0


def test_a_user_code_is_filled_in_and_not_submitted(door: Doors) -> None:
    """D10: the code is filled in as with the complete link."""
    started = door().start()
    program = Program(door(), user_code=started.user_code)
    program.answer(name="alice")
    program.answer(password="alice-password-1")
    assert program.now["step"] == "device_code"
    assert program.now["fields"][0]["value"] == started.user_code
    assert device_state(started) == "pending"


@pytest.mark.parametrize("authorization", [None, "", "Run", "Run ", "Bearer {}", "Basic {}", "{}"])
def test_the_secret_is_needed(door: Doors, authorization: str | None) -> None:
    """A missing secret is a 401 that says how to send it; it is never in the address."""
    program = Program(door())
    headers = {} if authorization is None else {"Authorization": authorization.format(program.secret)}
    for response in (
        program.door.http.get(f"{program.url}?secret={program.secret}", headers=headers),
        program.door.http.post(
            program.url,
            {"step": "identification", "answer": {"name": "a"}},
            content_type="application/json",
            headers=headers,
        ),
    ):
        assert (response.status_code, response.json()["error"]) == (401, "unauthorized")
        assert response["WWW-Authenticate"] == 'Run realm="run"'


def test_a_wrong_secret_and_a_foreign_run_look_the_same(door: Doors) -> None:
    """Another program's secret, another tenant's host and an unknown run are the same 404."""
    program, second, foreign = Program(door()), Program(door()), Program(door("other.test"))
    mine = program.secret
    for secret in (second.secret, foreign.secret, "0" * 64, "é"):
        program.secret = secret
        assert (program.look().status_code, program.answer(name="alice")["error"]) == (404, "no_such_run")
    program.secret = mine
    program.door.http.defaults["HTTP_HOST"] = "other.test"
    assert program.look().status_code == 404
    program.door.http.defaults["HTTP_HOST"] = "acme.test"
    assert program.look().json()["step"] == "identification"


def test_no_cookie_is_read_or_set_here(acme: Tenant, door: Doors) -> None:
    """A browser's session proves nothing to a program, and a program's run sets no cookie."""
    browser = door()
    browser.sign_in()
    browser.http.cookies["foyer_browser"] = browser.http.cookies["foyer_browser"].value
    program = Program(browser)
    assert program.now["step"] == "identification"
    assert not program.begun.cookies
    assert not program.look().cookies


def test_the_browsers_nonce_is_no_runs_secret(door: Doors) -> None:
    """A run of the browser cannot be used through the API, and a run of the API not by a browser."""
    browser = door()
    seen = browser.page()
    program = Program(door())
    program.url, program.secret = (
        f"/api{seen.path.replace('/flow/', '/runs/')}",
        browser.http.cookies["foyer_browser"].value[:64],
    )
    for secret in (program.secret, f"browser:{program.secret}"):
        program.secret = secret
        assert program.look().status_code == 404
    other = Program(door())
    browser.http.cookies["foyer_browser"] = other.secret
    assert browser.page(f"/flow/{other.now['run']}/").status == 404


def test_an_answer_to_another_step_and_one_that_comes_twice(door: Doors) -> None:
    """The response is the current challenge, and nothing has changed."""
    started = door().start()
    program = Program(door())
    assert program.answer(step="consent", decision="approve")["step"] == "identification"
    assert program.answer(step="", name="alice")["step"] == "identification"
    assert program.answer(step="identification", name="alice")["step"] == "password"
    assert program.answer(step="identification", name="bob")["person"] == "alice"
    program.answer(step="password", password="alice-password-1")
    program.answer(user_code=started.user_code)
    assert program.answer(step="password", password="x")["step"] == "consent"
    assert device_state(started) == "pending"


def test_reading_a_challenge_decides_nothing(door: Doors) -> None:
    """Reading a challenge decides nothing (D30)."""
    started = door().start()
    program = Program(door()).to_consent(started)
    for _ in range(3):
        assert program.look().json()["step"] == "consent"
    assert device_state(started) == "pending"


@pytest.mark.parametrize(
    "fields", [{}, {"unknown": "1"}, *({"decision": odd} for odd in (None, ["approve"], {"a": 1}, True))]
)
def test_an_empty_or_odd_answer_decides_nothing(door: Doors, fields: dict[str, Any]) -> None:
    """CVE-2026-49448: an invalid JSON answer has errors by field, status 200 and the same challenge."""
    started = door().start()
    program = Program(door()).to_consent(started)
    assert program.answer(**fields)["step"] == "consent"
    assert program.now["errors"]["decision"]
    assert device_state(started) == "pending"


def test_a_wrong_password_and_the_back_off(door: Doors, clock: time_machine.Traveller) -> None:
    """Errors are by field; then follows a 429 with Retry-After and the time in the body.

    It applies to the right password as well.
    """
    program = Program(door())
    program.answer(name="alice")
    for _ in range(4):
        assert program.answer(password="wrong")["errors"] == {"password": ["Incorrect username or password."]}
    headers = {"Authorization": f"Run {program.secret}"}
    body = {"step": "password", "answer": {"password": "alice-password-1"}}
    response = program.door.http.post(program.url, body, content_type="application/json", headers=headers)
    assert (response.status_code, response["Retry-After"]) == (429, "2")
    assert response.json()["retry_at"]
    clock.shift(1)
    assert program.answer(password="alice-password-1")["step"] == "device_code"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b" ", "application/json", 400),
        (b"not json", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b"null", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"for": "everything"}', "application/json", 400),
        (b'{"for": 1}', "application/json", 400),
        (b'{"for": "device_code", "nonsense": 1}', "application/json", 400),
        (b'{"for": "device_code", "user_code": 7}', "application/json", 400),
        (b'{"for": "device_code", "user_code": "\\ud800"}', "application/json", 400),
        (b'{"for": "\xff"}', "application/json", 400),
        (b"[" * 20_000, "application/json", 400),
        (b'{"for": "device_code"}', "text/plain", 415),
        (b"for=device_code", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_bad_body_is_an_error_in_json(door: Doors, body: bytes, kind: str, status: int) -> None:
    """It is never a 500, and never has a stack trace."""
    response = door().http.post("/api/runs/", body, content_type=kind)
    assert (response.status_code, response.json()["error"]) == (status, "invalid_request")
    assert not Run.unscoped.exists()


@pytest.mark.parametrize(
    "body",
    [b" ", b"[]", b'{"step": 1}', b'{"answer": "x"}', b'{"answer": {"name": "\\ud800"}}', b'{"token": "x"}'],
)
def test_a_bad_answer_is_an_error_in_json(door: Doors, body: bytes) -> None:
    """The run stays where it was."""
    program = Program(door())
    headers = {"Authorization": f"Run {program.secret}"}
    response = program.door.http.post(program.url, body, content_type="application/json", headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert program.look().json()["step"] == "identification"


def test_nul_and_a_too_large_body(door: Doors) -> None:
    """NUL is dropped, and a body that is too large is refused."""
    program = Program(door())
    assert program.answer(name="ali\x00ce")["person"] == "alice"
    response = door().http.post(
        "/api/runs/", b'{"for": "' + b"x" * 70_000 + b'"}', content_type="application/json"
    )
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [("/api/runs/", "get", "POST"), ("/api/runs/", "put", "POST"), ("{}", "delete", "GET, POST")],
)
def test_a_wrong_method(door: Doors, path: str, method: str, allow: str) -> None:
    """A wrong method is a 405 with the allowed ones."""
    program = Program(door())
    response = getattr(program.door.http, method)(
        path.format(program.url), HTTP_AUTHORIZATION=f"Run {program.secret}"
    )
    assert (response.status_code, response["Allow"], response.json()["error"]) == (
        405,
        allow,
        "invalid_request",
    )


def test_a_tenant_without_a_flow_for_it(door: Doors) -> None:
    """A missing flow is a 404 with ``no_flow``."""
    program = Program(door(), "authentication")
    assert (program.begun.status_code, program.now["error"]) == (404, "no_flow")


def test_runs_are_limited_by_address_here_too(door: Doors, settings: Any) -> None:
    """Too many runs are a 429 with Retry-After."""
    settings.RUNS_PER_ADDRESS = 2
    for _ in range(2):
        assert Program(door()).answer(name="alice")["step"] == "password"
    full = Program(door()).begun
    assert (full["Retry-After"], full.json()["error"]) == ("300", "too_many_runs")


def test_a_run_that_expires_ends_its_session(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """The session does not outlive its run in the table, once the run is read."""
    started = door().start()
    program = Program(door()).to_consent(started)
    clock.shift(timedelta(minutes=30))
    assert program.answer(decision="approve")["kind"] == "expired"
    assert Session.objects.filter(ended_at=None).count() == 0
    assert device_state(started) == "pending"
