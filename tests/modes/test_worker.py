"""A worker as a process, on its own PostgreSQL and Redis.

What happens to its broker, and what its queues hold.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from redis import Redis

from tests.modes.running_cluster import wait_for
from tools import servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("servers")]
EXPIRE, SWEEP, ATTEMPTS = (
    "idp.devices.tasks.expire_device_codes",
    "idp.outbox.tasks.sweep_outbox",
    "idp.ratelimit.tasks.sweep_attempts",
)
DELIVER = "idp.outbox.tasks.deliver_outbox"
SEND = """
import sys
from idp.celery import app
with app.producer_or_acquire() as producer:
    for _ in range(int(sys.argv[2])):
        app.send_task(sys.argv[1], producer=producer)
"""
GARBAGE = [
    b"",
    b"garbage",
    b"\xff\xfe",
    b"[]",
    b"17",
    b"null",
    b'{"a": 1}',
    b'{"body": 1, "headers": null, "properties": {}}',
]
OWED = (
    "INSERT INTO outbox_delivery (tenant_id, kind, key, payload, posted_at, due_at, state, attempts, "
    "why, ended_at)"
    " SELECT id, 'mail', %s, '', now(), now(), %s, 0, '', %s FROM tenancy_tenant LIMIT 1"
)


class Background:
    """The two servers and one worker."""

    def __init__(self, folder: Path, ends: ExitStack) -> None:
        self.postgres, self.broker, self.log = (
            servers.postgres(folder, durable=False),
            servers.redis(folder),
            folder / "worker.log",
        )
        for server in (self.postgres, self.broker):
            ends.callback(server.stop)
            server.start()
        (folder / "data").mkdir(mode=0o700)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FOYER_", "DJANGO_", "PYTEST_", "COV_"))
        }
        urls = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.broker.url}
        ours = {
            "FOYER_DATA": str(folder / "data"),
            "FOYER_SECRET_KEY": "of a worker under test" * 2,
            "FOYER_LOG": "json",
        }
        self.environment = clean | urls | ours
        self._run("manage.py", "setup")
        with open(self.log, "wb") as said:
            words = [
                "-m",
                "celery",
                "--quiet",
                "-A",
                "idp.celery",
                "worker",
                "--concurrency",
                "2",
                "--without-gossip",
                "--without-mingle",
            ]
            command = [sys.executable, *words]
            self.worker = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=self.environment, stdout=said, stderr=said
            )
        ends.callback(self.worker.wait)
        ends.callback(self.worker.kill)
        wait_for(lambda: self.queues(), 60)

    def send(self, task: str, times: int = 1) -> None:
        """Send a task as beat does, to where the settings say."""
        self._run("-c", SEND, task, str(times))

    def queues(self) -> list[str]:
        """The names in Redis of the common queue and of that for mails; empty until the worker reads them."""
        with Redis.from_url(self.broker.url) as redis:
            bound = [key.decode() for key in redis.keys("*:_kombu.binding.celery")]
        return [f"{key.split(':')[0]}:{queue}" for key in bound for queue in ("celery", "mails")]

    def waiting(self) -> int:
        """How many messages of the common queue no worker has taken."""
        with Redis.from_url(self.broker.url) as redis:
            return int(redis.llen(self.queues()[0]))

    def database(self) -> "psycopg.Connection[Any]":
        """A separate connection."""
        return psycopg.connect(self.postgres.url.replace("postgres://", "postgresql://"), autocommit=True)

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        with self.database() as connection:
            cursor = connection.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def still_works(self) -> None:
        """Assert that the same process does a task: it sweeps an old mail."""
        self.sql(OWED, "old", "done", "2020-01-01")
        self.send(SWEEP)
        wait_for(lambda: not self.sql("SELECT 1 FROM outbox_delivery WHERE key = 'old'"), 60)
        assert self.worker.poll() is None, self.log.read_text()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one kind."""
        found = []
        for line in self.log.read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if line["event"] == event]

    def _run(self, *words: str) -> None:
        command = [sys.executable, *words]
        subprocess.run(command, cwd=settings.BASE_DIR, env=self.environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    """A worker that is started once; each test leaves it at work."""
    with (
        tempfile.TemporaryDirectory(prefix="foyer-worker-", ignore_cleanup_errors=True) as name,
        ExitStack() as ends,
    ):
        Path(name).chmod(0o711)
        yield Background(Path(name), ends)


def held_up(background: Background) -> bool:
    """Whether a task waits for the table."""
    return bool(background.sql("SELECT 1 FROM pg_locks WHERE NOT granted"))


@pytest.mark.parametrize("farewell", [True, False], ids=["ends", "is killed"])
def test_redis_goes_away_during_a_task(background: Background, farewell: bool) -> None:
    """A task under way is stopped, because nothing could be acknowledged.

    The worker itself waits until Redis is back, and goes on.
    """
    with background.database() as connection, connection.transaction():
        connection.execute("LOCK TABLE devices_devicecode IN ACCESS EXCLUSIVE MODE")
        background.send(EXPIRE, 2)
        wait_for(lambda: held_up(background), 60)
        if farewell:
            background.broker.child.stop()
        else:
            running = background.broker.child.process
            assert running is not None
            running.kill()
        wait_for(
            lambda: "Cannot connect" in background.log.read_text() or background.worker.poll() is not None, 60
        )
        background.broker.child.stop()
        background.broker.start()
        wait_for(lambda: background.queues() or background.worker.poll() is not None, 60)
    background.still_works()


def test_what_is_no_message_is_passed_over(background: Background) -> None:
    """Each is logged without its content; the rest goes on, from each of the queues."""
    queues = background.queues()
    with Redis.from_url(background.broker.url) as redis:
        for queue in queues:
            redis.lpush(queue, *GARBAGE)
        background.still_works()
        wait_for(lambda: not any(redis.llen(queue) for queue in queues), 60)
    logged = background.lines("broker.not_a_message")
    assert len(logged) >= len(GARBAGE)
    assert "garbage" not in str(logged)
    background.still_works()


def test_a_mail_does_not_wait_for_others(background: Background) -> None:
    """Thousands of tasks may stand before it."""
    background.send(ATTEMPTS, 4000)
    before = background.waiting()
    background.sql(OWED, "new", "waiting", None)
    background.send(DELIVER)
    wait_for(lambda: background.sql("SELECT 1 FROM outbox_delivery WHERE key = 'new' AND attempts > 0"), 20)
    assert background.waiting() > before / 2 > 500
