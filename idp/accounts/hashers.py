"""Argon2id with OWASP's smaller parameters and a limit on concurrent hashes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

_SLOTS = BoundedSemaphore(max(2, os.cpu_count() or 2))
_WAIT_SECONDS = 5


class Overloaded(Exception):
    """The server is too busy. Try again in a moment."""


class Argon2id(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane (OWASP password storage cheat sheet).

    Argon2 hashes with other parameters are upgraded at sign-in. The semaphore prevents a burst of sign-ins
    from taking 19 MiB for each thread of the server.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> Any:
        with _slot():
            return super().verify(password, encoded)


@contextmanager
def _slot() -> Iterator[None]:
    """Hold one of the hashing slots; raise Overloaded when none is free in time.

    The timeout frees the server's thread.
    """
    if not _SLOTS.acquire(timeout=_WAIT_SECONDS):
        raise Overloaded
    try:
        yield
    finally:
        _SLOTS.release()
