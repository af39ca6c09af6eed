"""A start that cannot serve says so in one sentence and ends; one that can ends when it is asked to.

In both modes, as processes.
"""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from tests.modes.processes import Installation
from tests.modes.running_cluster import free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("servers")]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An empty one."""
    return Installation(tmp_path / "data")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that a program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def tried(installation: Installation, command: str, **environment: Any) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    more = {name: str(value) for name, value in environment.items()}
    words = [sys.executable, "manage.py", command]
    return subprocess.run(
        words,
        cwd=settings.BASE_DIR,
        env=installation.environment | more,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@contextmanager
def running(
    installation: Installation, command: str, **environment: Any
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A command that serves, and what it says."""
    more, said = (
        {name: str(value) for name, value in environment.items()},
        installation.folder.parent / "said.log",
    )
    with open(said, "w") as file:
        words = [sys.executable, "manage.py", command]
        process = subprocess.Popen(
            words, cwd=settings.BASE_DIR, env=installation.environment | more, stderr=file, text=True
        )
    try:
        yield process, said
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", ["up", "web"])
def test_an_address_that_cannot_be_had(
    installation: Installation, taken: int, tmp_path: Path, command: str
) -> None:
    """Port in use, no such host, no such folder: code 1 and one sentence.

    No password is created that could not be used.
    """
    for environment in (
        {"PORT": taken},
        {"FOYER_BIND": "no-such-host.invalid", "PORT": free_port()},
        {"FOYER_BIND": "203.0.113.1", "PORT": free_port()},
        {"FOYER_BIND": f"unix:{tmp_path}/missing/socket"},
    ):
        ended = tried(installation, command, **environment)
        assert ended.returncode == 1, ended.stderr
        assert "Cannot listen on" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "password" not in ended.stderr
        assert "Foyer is running at" not in ended.stderr


def test_the_first_password_is_shown_by_the_start_that_serves(installation: Installation, taken: int) -> None:
    """After one that could not; then the address, then a farewell on SIGTERM."""
    tried(installation, "up", PORT=taken)
    port = free_port()
    with running(installation, "up", PORT=port) as (process, said):
        wait_for(lambda: "Foyer is running at" in said.read_text() or process.poll() is not None, 90)
        text = said.read_text()
        assert 0 < text.index("admin with the password") < text.index("Foyer is running at"), text
        assert httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=30).json()["ready"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)


def test_a_stopped_server_leaves_one_whole_file(installation: Installation, tmp_path: Path) -> None:
    """Who copies foyer.sqlite3 alone then has everything: nothing is left in the journal beside it."""
    file, alone = installation.folder / "foyer.sqlite3", tmp_path / "copy.sqlite3"
    with running(installation, "up", PORT=free_port()) as (process, said):
        wait_for(lambda: "Foyer is running at" in said.read_text() or process.poll() is not None, 90)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    shutil.copyfile(file, alone)
    with closing(sqlite3.connect(alone)) as copied:
        assert copied.execute("SELECT username FROM accounts_person").fetchall() == [("admin",)]
    journal = file.with_name("foyer.sqlite3-wal")
    assert not journal.exists() or not journal.stat().st_size


def test_a_unix_socket_serves_and_is_gone_with_its_process(
    installation: Installation, tmp_path: Path
) -> None:
    """A file that a killed process left is replaced; one that is listened on is not."""
    path = f"/tmp/foyer-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    with running(installation, "web", FOYER_BIND=f"unix:{path}") as (process, said):
        wait_for(lambda: _lives(path) or process.poll() is not None, 90)
        assert process.poll() is None, said.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    assert not os.path.exists(path)


def _lives(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        if client.connect_ex(path):
            return False
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return client.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_start_whose_database_is_away_ends(installation: Installation) -> None:
    """It says so and ends, at any stage of the start; a supervisor starts it again."""
    away = {"DATABASE_URL": "postgres://nobody:x@127.0.0.1:1/none"}
    ended = tried(installation, "web", PORT=free_port(), **away)
    assert ended.returncode == 1, ended.stderr
    assert "The server did not start" in ended.stderr
    assert "Traceback" not in ended.stderr
