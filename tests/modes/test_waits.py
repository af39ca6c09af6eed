"""How long a request waits for the database of its mode, and what readiness says of a lock."""

from contextlib import closing
from typing import Any

import httpx
from django.core.management import call_command
from django.db import connection, connections

from tests.support.client import LiveServer
from web.server.threads import DatabaseThreadPool


def test_waits_of_requests_are_bounded_and_those_of_commands_are_not(transactional_db: None) -> None:
    """A request gives up after seconds; a migration may take as long as it takes."""
    asked = (
        "PRAGMA busy_timeout"
        if connection.vendor == "sqlite"
        else "SELECT current_setting('statement_timeout')"
    )

    def look() -> Any:
        with connections["default"].cursor() as cursor:
            cursor.execute(asked)
            return cursor.fetchone()[0]

    threads = DatabaseThreadPool(1, "test")
    try:
        assert threads.submit(look).result() in (5000, "15s")
    finally:
        threads.close()
    assert look() in (20000, "0")
    call_command("migrate", verbosity=0)
    assert look() in (20000, "0")


def test_the_lock_for_all_is_noticed_and_no_other(live: LiveServer) -> None:
    """The check writes, as reading would go on.

    SQLite has one lock for all; on PostgreSQL a lock of one table makes no process unready.
    """
    sqlite = connection.vendor == "sqlite"
    with closing(connections.create_connection("default")) as other:
        other.ensure_connection()
        with other.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE" if sqlite else "BEGIN")
            if not sqlite:
                cursor.execute("LOCK TABLE devices_devicecode IN ACCESS EXCLUSIVE MODE")
            found = httpx.get(f"http://127.0.0.1:{live.port}/health/ready", timeout=30)
            cursor.execute("ROLLBACK")
    assert (found.status_code, found.json()["reasons"]) == (
        (503, ["database_locked"]) if sqlite else (200, [])
    )
