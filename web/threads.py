"""Threads that last, each with one lasting database connection, as long as the server does."""

from concurrent.futures import ThreadPoolExecutor

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Threads(ThreadPoolExecutor):
    """A pool of at most ``count`` threads; what they keep open ends with :meth:`close`, not with the garbage."""

    def __init__(self, count: int, name: str) -> None:
        super().__init__(count, thread_name_prefix=name, initializer=self._begin)
        self._connections: list[BaseDatabaseWrapper] = []

    def close(self) -> None:
        """Waits for the work under way, drops the rest, and closes the connections. Blocks; a second call does nothing."""
        self.shutdown(wait=True, cancel_futures=True)
        while self._connections:
            connection = self._connections.pop()
            connection.inc_thread_sharing()
            connection.close()

    def _begin(self) -> None:
        """In each new thread."""
        self._connections.append(connections[DEFAULT_DB_ALIAS])
