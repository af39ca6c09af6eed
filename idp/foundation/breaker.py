"""A circuit breaker for Redis: after a failure, no caller waits for a second, then one tries again.

Redis holds nothing that is indispensable, so callers continue without it. The log has one line when Redis
becomes unavailable, and one when it is back.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0


class Unavailable(Exception):
    """Redis did not respond recently, so it is not used at the moment."""


class Breaker:
    """The availability of Redis, as observed by its callers on all threads and event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._next = 0.0

    @contextmanager
    def guard(self, *faults: type[Exception]) -> Iterator[None]:
        """Use Redis within the block; raise Unavailable instead while the breaker is open.

        ``faults``: the exceptions that the block raises when Redis is unavailable.
        """
        retrying = self._admit()
        try:
            yield
        except faults as error:
            self._failed(error)
            raise
        if retrying:
            self._back()

    def _admit(self) -> bool:
        """Return whether this caller is the one that tries again; raise Unavailable for the others.

        Only such a try ends an outage, not a response from before it.
        """
        if self._away_since is None:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                raise Unavailable
            self._next = now + PAUSE_SECONDS
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = now + PAUSE_SECONDS
            first, self._away_since = self._away_since is None, self._away_since or now
        if first:
            log.warning("redis.away", extra={"why": type(error).__name__})

    def _back(self) -> None:
        with self._lock:
            since, self._away_since = self._away_since, None
        if since is not None:
            log.warning("redis.back", extra={"seconds": round(time.monotonic() - since, 1)})


REDIS = Breaker()
