"""Health checks at any Host, one log line per request, and no secret in any line or event."""

import json
import logging
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from idp.accounts.models import Person
from idp.accounts.recovery import create_link
from idp.events.models import Event
from idp.oauth.keys import current_key
from idp.oauth.models import SigningKey
from idp.runtime.logs import configure, redact
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.modes.running_cluster import wait_for
from tests.support.client import Doors, LiveServer
from tests.support.flows import draw
from tests.thirdparty import probe
from web.server import health


@pytest.fixture
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request run its own check."""
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0.0)


def ready(live: LiveServer) -> tuple[int, dict[str, Any]]:
    """Return the response to a load balancer."""
    response = httpx.get(f"http://127.0.0.1:{live.port}/health/ready", timeout=30)
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


@pytest.mark.parametrize("host", ["acme.test", "unknown.invalid", "a, b", "", "10.1.2.3:8000"])
def test_live_and_ready_answer_for_any_host(live: LiveServer, settings: Any, host: str) -> None:
    """The health checks accept any Host, because a load balancer knows no tenant."""
    url = f"http://127.0.0.1:{live.port}"
    alive = httpx.get(url + "/health/live", headers={"Host": host})
    assert (alive.status_code, alive.json()) == (200, {"live": True})
    found = httpx.get(url + "/health/ready", headers={"Host": host}, timeout=30)
    expected = {"ready": True, "reasons": []} | ({} if settings.EMBEDDED else {"redis": "here"})
    assert (found.status_code, found.json()) == (200, expected)
    assert httpx.head(url + "/health/ready", headers={"Host": host}, timeout=30).status_code == 200


def test_ready_beside_a_newer_schema(live: LiveServer, uncached: None) -> None:
    """Migrations that this release does not know leave it ready.

    In a rolling upgrade the schema is migrated first.
    """
    recorder = MigrationRecorder(connection)
    recorder.record_applied("accounts", "0999_future")
    try:
        assert ready(live) == (200, ready(live)[1])
    finally:
        recorder.record_unapplied("accounts", "0999_future")


def test_not_ready_while_migrations_are_missing(live: LiveServer, uncached: None) -> None:
    """Missing migrations are a 503 with the reason, while the process is alive.

    Once all are applied, they are not checked again.
    """
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("flows", "0002_version_digest")
    try:
        status, body = ready(live)
        assert (status, body["ready"], body["reasons"]) == (503, False, ["not_migrated"])
        assert httpx.get(f"http://127.0.0.1:{live.port}/health/live").status_code == 200
    finally:
        recorder.record_applied("flows", "0002_version_digest")
    assert ready(live)[0] == 200


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OperationalError("password authentication failed for user foyer at db.internal"), "database_away"),
        (OperationalError("database is locked"), "database_locked"),
        (OperationalError("database or disk is full"), "database_full"),
        (OperationalError("attempt to write a readonly database"), "database_read_only"),
        (DatabaseError("read-only"), "database_read_only"),
    ],
)
def test_not_ready_while_the_database_cannot_be_written(
    live: LiveServer, uncached: None, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """The response is one word without database details; the process stays alive and recovers by itself."""

    def down() -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(health, "_write", down)
        status, body = ready(live)
        assert (status, body["reasons"]) == (503, [reason])
        assert httpx.get(f"http://127.0.0.1:{live.port}/health/live").status_code == 200
    assert ready(live)[0] == 200


def replaced(found: tuple[int, dict[str, Any]]) -> bool:
    """Return whether a replaced file is the only failure."""
    status, body = found
    return (status, body["ready"], body["reasons"]) == (503, False, ["database_replaced"])


def test_not_ready_with_another_database_file(
    settings: Any, tmp_path: Path, transactional_db: None, uncached: None
) -> None:
    """A database file that is moved or replaced while it is open makes the process not ready.

    Everything written from then on would go to a file that no one finds again.
    """
    settings.SQLITE = tmp_path / "foyer.sqlite3"
    settings.SQLITE.touch()
    with LiveServer() as mine:
        assert ready(mine)[0] == 200
        settings.SQLITE.rename(tmp_path / "kept")
        assert replaced(ready(mine))
        settings.SQLITE.touch()
        assert replaced(ready(mine))
        (tmp_path / "kept").rename(settings.SQLITE)
        assert ready(mine)[0] == 200


def test_a_database_that_hangs_is_noticed_in_time(
    live: LiveServer, uncached: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response does not wait for the database, and any number of requests share one check."""
    looks, go = [], threading.Event()

    def hang() -> None:
        looks.append(1)
        assert go.wait(30)

    monkeypatch.setattr(health, "_SECONDS", 0.3)
    monkeypatch.setattr(health, "_write", hang)
    for _ in range(3):
        status, body = ready(live)
        assert (status, body["reasons"]) == (503, ["database_slow"])
    assert len(looks) == 1
    assert httpx.get(f"http://127.0.0.1:{live.port}/health/live").status_code == 200
    go.set()
    monkeypatch.undo()
    wait_for(lambda: ready(live)[0] == 200, 20)


def test_not_ready_with_another_secret_key(
    live: LiveServer, tenants: dict[str, Tenant], uncached: None
) -> None:
    """A changed secret key makes the process not ready, as after a restore without it.

    What was sealed under the old key is unusable, and no token can be signed.
    """
    with tenant_scope(tenants["acme"]):
        current_key()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {SigningKey._meta.db_table} SET private_key = 'sealed by another'")  # noqa: S608
    status, body = ready(live)
    assert (status, body["reasons"]) == (503, ["secret_key_changed"])


def test_not_ready_while_it_stops(live: LiveServer, settings: Any) -> None:
    """A stopping process is not ready before it refuses connections, and still serves requests.

    A load balancer has switched to another process by then.
    """
    settings.DRAIN_SECONDS = 4
    live.server.should_exit = True
    wait_for(lambda: ready(live)[1]["reasons"] == ["stopping"], 20)
    assert httpx.get(live.url("127.0.0.1", "/health/live")).status_code == 200


def test_each_answer_names_its_request(door: Doors, caplog: pytest.LogCaptureFixture) -> None:
    """The request id in the response is that of the events, so a user's report leads to the log.

    A client cannot choose it.
    """
    browser = door()
    seen = browser.page().submit(name="alice")
    response = browser.http.post(
        seen.path, {**seen.hidden, "password": "alice-password-1"}, HTTP_X_REQUEST_ID="chosen"
    )
    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])
    assert Event.unscoped.get(kind="session.started").request_id == response["X-Request-ID"]


def test_one_line_for_each_request_with_its_route(door: Doors, capfd: pytest.CaptureFixture[str]) -> None:
    """Each request logs one JSON line with tenant, address, id and route.

    It has no path, because some paths contain one-time secrets.
    """
    configure({"format": "json"})
    capfd.readouterr()
    response = door(address="203.0.113.9").http.get("/recover/a-token-that-nobody-should-see")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if '"event": "request"' in line]
    assert len(lines) == 1
    expected = {
        "method": "GET",
        "route": "/recover/<str:token>",
        "status": 404,
        "tenant": "acme",
        "address": "203.0.113.9",
    }
    assert expected.items() <= lines[0].items()
    assert lines[0]["request_id"] == response["X-Request-ID"]
    assert "a-token-that-nobody-should-see" not in str(lines)


NAMES = [
    "password",
    "new_password",
    "client_secret",
    "access_token",
    "device_code",
    "user_code",
    "cookie",
    "key",
    "Set-Cookie",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_value_whose_name_says_that_it_is_secret_is_dots(name: str) -> None:
    """A value with a secret name is masked at every depth; names that only look alike stay readable."""
    assert redact(None, "", {"event": "x", name: "hunter2"}) == {"event": "x", name: "•••"}
    deep = {"event": "x", "data": {"kept": [{name: ["hunter2"], "status": 200}]}}
    assert redact(None, "", deep) == {"event": "x", "data": {"kept": [{name: "•••", "status": 200}]}}
    plain = {
        "event": "x",
        "keyboard": "k",
        "status_code": 500,
        "exit_code": 1,
        "country_code": "DE",
        "monkey": "m",
    }
    assert redact(None, "", plain) == plain


def test_no_secret_in_any_log_line_or_event(
    transactional_db: None,
    acme: Tenant,
    door: Doors,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No log line and no event has a secret, over the whole life of an account.

    It covers recovery, wrong and right passwords, wrong and right codes, approval, tokens, refresh, userinfo,
    JSON and errors.
    """
    configure({"format": "json"})
    logging.getLogger().setLevel(logging.DEBUG)
    secrets: set[str] = {
        "alice-password-1",
        "a quiet orchard in March",
        "wrong-password-9",
        "kiosk secret/with+odd:characters",
    }
    browser = door()

    link = create_link(Person.objects.get(username="alice"), by="test")
    secrets.add(link)
    page = browser.page(f"/recover/{link}")
    page.submit(password="short")
    page.submit(password="a quiet orchard in March")

    started = browser.start(scope="openid email offline_access", nonce="a-nonce-value")
    secrets |= {started.device_code, started.user_code, started.user_code.replace("-", "")}
    browser.poll(started)
    browser.poll(started)
    seen = browser.page(f"/device?user_code={started.user_code}").submit(name="alice")
    seen.submit(password="wrong-password-9")
    seen = seen.submit(password="a quiet orchard in March")
    seen.submit(user_code="BCDF-GHJK")
    consent = seen.submit(user_code=started.user_code)
    secrets |= {seen.hidden["token"], consent.hidden["token"]}
    consent.submit(decision="approve")
    secrets |= {cookie.value for cookie in browser.http.cookies.values() if cookie.value}

    tokens = browser.poll(started).json()
    browser.poll(started)
    refresh = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": tokens["refresh_token"]}
    newer = browser.post("/application/o/token/", refresh).json()
    browser.post("/application/o/token/", refresh)
    secrets |= {
        answer[name] for answer in (tokens, newer) for name in ("access_token", "id_token", "refresh_token")
    }
    for token in (tokens["access_token"], "junk"):
        browser.get("/application/o/userinfo/", HTTP_AUTHORIZATION=f"Bearer {token}")
    basic = {"client_id": "kiosk", "client_secret": "kiosk secret/with+odd:characters", "scope": "openid"}
    assert browser.post("/application/o/device/", basic).status_code == 200
    browser.post("/application/o/device/", {**basic, "client_secret": "wrong-password-9"})
    browser.post("/application/o/token/", b"\xff" + tokens["access_token"].encode())

    begun = browser.http.post("/api/runs/", {"for": "device_code"}, content_type="application/json").json()
    secrets.add(begun["secret"])
    answer = {"step": "identification", "answer": {"name": "alice"}}
    browser.http.post(
        begun["url"], answer, content_type="application/json", HTTP_AUTHORIZATION=f"Run {begun['secret']}"
    )
    browser.http.post("/sign-out")

    logged = capfd.readouterr().err + "".join(
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records
    )
    body = str(list(Event.unscoped.values()))
    assert '"event": "tokens.issued"' in logged
    assert len(body) > 1000
    leaked = {secret for secret in secrets if secret in logged or secret in body}
    assert not leaked


def test_a_crash_is_logged_without_what_was_posted(
    third_party: None,
    acme: Tenant,
    door: Doors,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 500 page reveals nothing, and the log has the traceback but no field of the form."""
    configure({"format": "json"})
    draw({"stage": "probe", "settings": {"submit": "crash"}})
    monkeypatch.setattr(probe, "crashes", [RuntimeError("the cause")])
    seen = door().page()
    seen.door.http.raise_request_exception = False
    failed = seen.submit(answer="hunter2-hunter2")
    logged = capfd.readouterr().err
    assert (failed.status, failed.title) == (500, "Something went wrong")
    assert "the cause" not in failed.text
    assert "the cause" in logged
    assert "hunter2-hunter2" not in logged
