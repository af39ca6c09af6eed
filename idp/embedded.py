"""Celery's worker and beat as threads of the web process, for the mode that needs no broker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery
from celery.beat import EmbeddedService
from celery.worker import WorkController


@contextmanager
def background(app: Celery) -> Iterator[None]:
    """Worker and beat run while the block does. Messages live in memory: whatever must happen is swept from the database."""
    app.finalize()
    worker = WorkController(app=app, pool_cls="threads", concurrency=1, without_gossip=True, without_mingle=True, without_heartbeat=True)
    beat = EmbeddedService(app, thread=True, schedule_filename=":memory:", scheduler_cls="celery.beat:Scheduler")
    thread = threading.Thread(target=worker.start, name="celery-worker", daemon=True)
    thread.start()
    beat.start()
    try:
        yield
    finally:
        beat.stop()
        worker.stop()
        thread.join(timeout=3)
