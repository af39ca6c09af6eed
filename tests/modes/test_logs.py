"""What a real server process writes to standard error when requests go wrong."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.conf import settings

from tests.modes.running_cluster import wait_for
from tools import servers

SECRET = "THE-ONE-TIME-SECRET-123"


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[str, Path]]:
    """An embedded installation in its own process: its address, and the file with its output."""
    port, said = servers.free_port(), folder / "said.log"
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FOYER_", "DJANGO_", "PYTEST_", "COV_"))
    }
    ours = {
        "FOYER_DATA": str(folder / "data"),
        "PORT": str(port),
        "FOYER_ADMIN_PASSWORD": "admin-password-1",
        **environment,
    }
    with open(said, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=settings.BASE_DIR,
            env=clean | ours,
            stdout=file,
            stderr=file,
        )
    try:
        wait_for(lambda: process.poll() is not None or _listens(port), 60)
        assert process.poll() is None, said.read_text()
        yield f"http://127.0.0.1:{port}", said
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_names_a_path_a_query_or_what_was_sent(tmp_path: Path, form: str) -> None:
    """Views that raise, CSRF failures, unknown URLs and faults outside Django are logged with the route.

    The secret is never logged.
    """
    with serving(
        tmp_path,
        DJANGO_SETTINGS_MODULE="tests.modes.broken_settings",
        FOYER_LOG=form,
        FOYER_LOG_LEVEL="debug",
    ) as (web, said):
        client = requests.Session()
        client.trust_env = False
        statuses = [
            client.get(f"{web}/broken/{SECRET}").status_code,
            client.get(
                f"{web}/broken/a%2F{SECRET}%20b?user_code={SECRET}-7&next=%2Frecover%2F{SECRET}"
            ).status_code,
            client.get(
                f"{web}/broken/x",
                cookies={"foyer_session": SECRET},
                headers={"Authorization": f"Bearer {SECRET}"},
            ).status_code,
            client.post(f"{web}/recover/{SECRET}", data={"password": f"{SECRET}\r\n{SECRET}"}).status_code,
            client.get(f"{web}/nowhere/{SECRET}?token={SECRET}").status_code,
            client.get(f"{web}/outside/{SECRET}?user_code={SECRET}").status_code,
            client.get(f"{web}/health/live").status_code,
        ]
    logged = said.read_text()
    assert statuses[:2] == [500, 404], statuses  # a slash does not fit into the route: an unknown address
    assert statuses[2:] == [500, 403, 404, 500, 200]
    assert SECRET not in logged, "\n".join(line for line in logged.splitlines() if SECRET in line)
    assert "/broken/<str:token>" in logged
    assert "Forbidden (CSRF cookie not set.): /recover/<str:token>" in logged
    if form == "json":
        lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
        [failed, _again] = [
            line for line in lines if line.get("route") == "/broken/<str:token>" and "exception" in line
        ]
        assert (failed["event"], failed["status_code"], failed["method"]) == (
            "Internal Server Error: /broken/<str:token>",
            500,
            "GET",
        )
        assert "tests/modes/broken.py" in failed["exception"]
        assert not [line for line in lines if "/health" in str(line)]
        assert any("Exception in ASGI application" in line["event"] for line in lines)


def test_probes_are_quiet_and_the_level_is_chosen(tmp_path: Path) -> None:
    """FOYER_LOG_LEVEL=warning: neither requests nor probes, only what is wrong."""
    with serving(tmp_path, FOYER_LOG="json", FOYER_LOG_LEVEL="warning") as (web, said):
        assert requests.get(f"{web}/health/live", timeout=10).status_code == 200
        assert requests.get(f"{web}/sign-in", timeout=10).status_code == 200
        assert requests.post(f"{web}/sign-in", timeout=10).status_code == 403
    lines = [json.loads(line) for line in said.read_text().splitlines() if line.startswith("{")]
    assert [line["level"] for line in lines] == ["warning"]
