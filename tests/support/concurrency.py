"""Several threads at once, as several requests and workers are, each with its own database connection."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet


def at_once(*functions: Callable[[], object]) -> None:
    """Start all functions at the same moment and wait for them; an exception of one is raised here."""
    _finish(*_start(*functions))


def meeting_at(rows: QuerySet[Any], *functions: Callable[[], object], seconds: float = 1) -> None:
    """Run the functions at once while another connection locks these rows.

    A function that wants one of the rows waits for it until all functions wait, or have ended without
    waiting.
    """
    with transaction.atomic():
        assert list(rows.select_for_update().order_by("pk"))
        threads, failed = _start(*functions)
        for thread in threads:
            thread.join(seconds / len(threads))
    _finish(threads, failed)


def _start(*functions: Callable[[], object]) -> tuple[list[threading.Thread], list[BaseException]]:
    gate, failed = threading.Barrier(len(functions)), list[BaseException]()

    def run(function: Callable[[], object]) -> None:
        try:
            gate.wait(10)
            function()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    return threads, failed


def _finish(threads: list[threading.Thread], failed: list[BaseException]) -> None:
    for thread in threads:
        thread.join(60)
    assert not failed, failed
    assert not any(thread.is_alive() for thread in threads)
