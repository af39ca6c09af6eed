"""Celery's worker and beat as threads of the web process, for the mode without a broker."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery
from celery.beat import EmbeddedService
from celery.worker import WorkController
from django.conf import settings
from django.core.management.base import CommandError

from idp.runtime.files import checkpoint, make_folder


@contextmanager
def exclusive_lock() -> Iterator[None]:
    """Lock the data folder within the block; raise CommandError when another process holds it.

    Two processes would not receive each other's messages, which are in memory. The lock ends with the
    process, however that ends.
    """
    try:
        make_folder(settings.DATA)
        file = open(settings.DATA / "serving.lock", "w")  # noqa: SIM115  closed below
    except OSError as error:
        raise CommandError(
            f"{settings.DATA} isn't writable ({error.strerror}). Make it writable, or set FOYER_DATA."
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Another process is already running on {settings.DATA}. Stop it, set FOYER_DATA to "
                "another folder, or set DATABASE_URL and REDIS_URL to run several processes."
            ) from None
        yield


def require_single_process() -> None:
    """Raise CommandError when this would be the second embedded process on its data folder."""
    if settings.EMBEDDED:
        with exclusive_lock():
            pass


@contextmanager
def run_background(app: Celery) -> Iterator[None]:
    """Run worker and beat within the block.

    Messages are in memory, so sweeps find all work in the database.
    """
    with exclusive_lock():
        try:
            with _threads(app):
                yield
        finally:
            if settings.SQLITE:
                checkpoint(settings.SQLITE)


@contextmanager
def _threads(app: Celery) -> Iterator[None]:
    app.finalize()
    worker = WorkController(
        app=app,
        pool_cls="threads",
        concurrency=1,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    beat = EmbeddedService(
        app, thread=True, schedule_filename=":memory:", scheduler_cls="celery.beat:Scheduler"
    )
    thread = threading.Thread(target=worker.start, name="celery-worker", daemon=True)
    thread.start()
    beat.start()
    try:
        yield
    finally:
        worker.stop()
        beat.stop()
        # An idle worker waits longer than this for a message; what a busy one leaves is found by a sweep.
        thread.join(timeout=0.1)
