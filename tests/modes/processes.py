"""``manage.py blueprint …`` as separate processes, on a separate installation.

It is on SQLite, or on the PostgreSQL of the tests.
"""

import os
import pty
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings

_COVERED = ("FOYER_", "DJANGO_", "PYTEST_", "COV_", "DATABASE_URL", "REDIS_URL")


class Installation:
    """An empty one, migrated."""

    def __init__(self, folder: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_COVERED)}
        self.database, self.folder = "", folder
        self.environment = {
            **clean,
            "FOYER_DATA": str(folder),
            "FOYER_LOG": "json",
            "FOYER_SECRET_KEY": "of an installation under test" * 2,
        }
        if server := os.environ.get("FOYER_TEST_DATABASE"):
            name = f"blueprints_{os.getpid()}_{time.monotonic_ns()}"
            with psycopg.connect(
                server.replace("postgres://", "postgresql://"), autocommit=True
            ) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            self.database = urlsplit(server)._replace(path=f"/{name}").geturl()
            self.environment |= {"DATABASE_URL": self.database, "REDIS_URL": os.environ["FOYER_TEST_REDIS"]}
        else:
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / "foyer.sqlite3").touch()  # a command creates no database
        self.manage("migrate", "-v0")

    def manage(self, *words: object) -> str:
        """Run one command that must succeed, and return its output."""
        return self.start(*words).finish()

    def start(self, *words: object) -> "Command":
        """One command, under way."""
        return Command([sys.executable, "manage.py", *map(str, words)], self.environment)

    def rows(self, statement: str) -> list[Any]:
        """Return the rows of one statement, past the product."""
        if self.database:
            with psycopg.connect(self.database.replace("postgres://", "postgresql://")) as connection:
                return connection.execute(statement).fetchall()
        with closing(sqlite3.connect(self.folder / "foyer.sqlite3", timeout=20)) as database:
            return database.execute(statement).fetchall()

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table."""
        listing = (
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            if self.database
            else "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        tables = sorted(name for (name,) in self.rows(listing))
        return {
            name: sorted(self.rows(f'SELECT * FROM "{name}"'), key=repr)  # noqa: S608
            for name in tables
            if name != "sqlite_sequence"
        }


class Command:
    """A process whose progress is shown on a terminal, which it has."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        self.said, self.phases = b"", dict[str, float]()
        self.process = subprocess.Popen(
            words, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        self.listener = threading.Thread(target=self._listen, args=(ours,), daemon=True)
        self.listener.start()

    def reach(self, phase: str, seconds: float = 60) -> None:
        """Wait until the terminal shows this."""
        end = time.monotonic() + seconds
        while phase not in self.said.decode(errors="replace"):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.002)

    def kill(self) -> None:
        """Kill it as the kernel does when memory runs out."""
        self.process.kill()
        self.process.communicate()
        self.listener.join(10)

    def finish(self) -> str:
        """Wait for the command's end, which must be a success."""
        out, _ = self.process.communicate(timeout=110)
        self.listener.join(10)
        assert self.process.returncode == 0, self.said.decode(errors="replace")
        return out.decode()

    def _listen(self, terminal: int) -> None:
        while True:
            try:
                read = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if not read:
                break
            self.said += read
        os.close(terminal)
