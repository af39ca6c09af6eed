"""A pool of long-lived threads, each with one long-lived database connection."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_STATEMENT_SECONDS, _LOCK_SECONDS = 15, 5  # an HTTP client has given up by then
_ACK_SECONDS = 10  # without a TCP acknowledgment from the database server


class DatabaseThreadPool(ThreadPoolExecutor):
    """A pool of at most ``count`` threads.

    :meth:`close` closes their connections; garbage collection does not.
    """

    def __init__(self, count: int, name: str, lock_seconds: float = _LOCK_SECONDS) -> None:
        super().__init__(count, thread_name_prefix=name, initializer=self._open_connection)
        self._connections: list[BaseDatabaseWrapper] = []
        self._lock_seconds = lock_seconds

    def close(self) -> None:
        """Wait for the work in progress, cancel the rest, and close the connections.

        Blocks. A second call does nothing.
        """
        self.shutdown(wait=True, cancel_futures=True)
        while self._connections:
            connection = self._connections.pop()
            connection.inc_thread_sharing()
            connection.close()

    def _open_connection(self) -> None:
        """Prepare the database connection of a new thread.

        Only these connections have time limits: a migration, a command or the worker may need longer.
        """
        connection = connections[DEFAULT_DB_ALIAS]
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": self._with_timeouts(connection)}
        self._connections.append(connection)

    def _with_timeouts(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        options = dict(connection.settings_dict["OPTIONS"])
        if connection.vendor == "sqlite":
            return {**options, "timeout": self._lock_seconds}
        waits = (
            f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout={int(self._lock_seconds * 1000)}ms"
        )
        return {"options": waits, "tcp_user_timeout": _ACK_SECONDS * 1000, **options}
