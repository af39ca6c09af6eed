"""Liveness and readiness probes, for any Host, ahead of everything that could wait."""

import asyncio
import json
import logging
import os
import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from idp.oauth.tenants import can_decrypt_keys
from web.server.threads import DatabaseThreadPool

log = logging.getLogger(__name__)
_SECONDS = 2.0
_LOCK_SECONDS = 1.0
_KEPT_SECONDS = 1.0  # the probe is public, and each check writes


class Health:
    """ASGI middleware that serves the probes.

    ``/health/live`` responds if the event loop runs. ``/health/ready`` responds with 200 if everything that a
    request needs works, else with 503 and a reason for each failure.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.stopping = False
        self._threads = DatabaseThreadPool(2, "health", _LOCK_SECONDS)
        self._migrated = False
        self._database_file = _database_file()
        self._check: asyncio.Task[dict[str, Any]] | None = None
        self._valid_until = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in ("/health/live", "/health/ready"):
            await self.app(scope, receive, send)
        elif scope["path"] == "/health/live":
            await _send_json(send, 200, {"live": True}, scope)
        else:
            found = await self._ready()
            await _send_json(send, 200 if found["ready"] else 503, found, scope)

    def close(self) -> None:
        """Stop the threads and close their connections. Blocks."""
        self._threads.close()

    async def _ready(self) -> dict[str, Any]:
        if self.stopping:
            return {"ready": False, "reasons": ["stopping"]}
        if self._check is None or (self._check.done() and time.monotonic() > self._valid_until):
            self._check = asyncio.create_task(self._run_checks())
        try:
            return await asyncio.wait_for(asyncio.shield(self._check), _SECONDS)
        except TimeoutError:  # the check goes on, and the next request waits for the same one
            return {"ready": False, "reasons": ["database_slow"]}

    async def _run_checks(self) -> dict[str, Any]:
        run = asyncio.get_running_loop().run_in_executor
        database = run(self._threads, self._find_reasons)
        redis = None if settings.EMBEDDED else run(self._threads, _redis_state)
        reasons = await database
        found: dict[str, Any] = {"ready": not reasons, "reasons": reasons}
        if redis:
            found["redis"] = await redis
        self._valid_until = time.monotonic() + _KEPT_SECONDS
        return found

    def _find_reasons(self) -> list[str]:
        try:
            connection.close_if_unusable_or_obsolete()
            if self._database_file and _database_file() != self._database_file:
                return ["database_replaced"]
            _write()
            if not self._migrated:
                executor = MigrationExecutor(connection)
                self._migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
                if not self._migrated:
                    return ["not_migrated"]
            return [] if can_decrypt_keys() else ["secret_key_changed"]
        except (DatabaseError, InterfaceError) as error:
            log.warning("not ready", extra={"why": str(error).split("\n")[0][:200]})
            connection.close()
            return [_reason_for(error)]


def _database_file() -> tuple[int, int] | None:
    """Return the device and inode of the SQLite file that now has the database's name.

    If it was replaced, open connections still use the old file, and everything written there is lost with it.
    """
    try:
        found = os.stat(settings.SQLITE) if settings.SQLITE else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _write() -> None:
    """Commit a write that changes nothing.

    Only a write reveals a full disk or a lock that another process holds.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            (version,) = cursor.execute("PRAGMA user_version").fetchone()
            cursor.execute(f"PRAGMA user_version = {int(version)}")
            return
        cursor.execute("SELECT pg_current_xact_id(), current_setting('transaction_read_only')")
        if cursor.fetchone()[1] == "on":
            raise DatabaseError("read-only")


def _reason_for(error: Exception) -> str:
    text, state = str(error).lower(), getattr(error.__cause__, "sqlstate", None) or ""
    for words, reason in (
        (("locked",), "database_locked"),
        (("disk is full", "no space left"), "database_full"),
        (("read-only", "readonly", "recovery"), "database_read_only"),
    ):
        if any(word in text for word in words):
            return reason
    return {"55P03": "database_locked", "53100": "database_full", "57014": "database_slow"}.get(
        state, "database_away"
    )


def _redis_state() -> str:
    # idp.foundation.redis_cache.Cache
    return "here" if cache.works() else "away"  # type: ignore[attr-defined]


async def _send_json(send: Any, status: int, found: dict[str, Any], scope: Any) -> None:
    body = json.dumps(found).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
