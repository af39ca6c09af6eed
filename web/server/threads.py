"""Threads that last, each with one lasting database connection, as long as the server does."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_STATEMENT_SECONDS, _LOCK_SECONDS = 15, 5  # whoever asks by HTTP has gone by then
_ACK_SECONDS = 10  # of a database server that does not even acknowledge what is sent


class Threads(ThreadPoolExecutor):
    """A pool of at most ``count`` threads; what they keep open ends with :meth:`close`, not with
    the garbage.
    """

    def __init__(self, count: int, name: str, lock_seconds: float = _LOCK_SECONDS) -> None:
        super().__init__(count, thread_name_prefix=name, initializer=self._open_connection)
        self._connections: list[BaseDatabaseWrapper] = []
        self._lock_seconds = lock_seconds

    def close(self) -> None:
        """Waits for the work under way, drops the rest, and closes the connections.

        Blocks; a second call does nothing.
        """
        self.shutdown(wait=True, cancel_futures=True)
        while self._connections:
            connection = self._connections.pop()
            connection.inc_thread_sharing()
            connection.close()

    def _open_connection(self) -> None:
        """In each new thread.

        Only here are waits bounded: a migration, a command or the worker may need longer.
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
