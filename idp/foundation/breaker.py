"""Stops asking Redis while it does not answer: for a second nobody waits for it, then one caller tries again.

Nothing that must be known lies in Redis, so whoever asks does without; the log has one line when it goes
away, and one when it is back.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0


class Away(Exception):
    """It did not answer lately, and is not asked now."""


class Breaker:
    """Whether Redis is there, as its callers, in any threads and on any loop, found it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._next = 0.0

    @contextmanager
    def asking(self, *faults: type[Exception]) -> Iterator[None]:
        """Ask within the block; raise Away instead where it is not to be asked.

        ``faults``: what the block raises when it is away.
        """
        trial = self._admit()
        try:
            yield
        except faults as error:
            self._failed(error)
            raise
        if trial:
            self._back()

    def _admit(self) -> bool:
        """Return whether this caller is the one that tries again: only a trial ends an outage, not an answer
        from before it.
        """
        if self._away_since is None:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                raise Away
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
