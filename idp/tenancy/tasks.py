"""Background work in the scope of each tenant, one after the other."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from celery import shared_task

from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

log = logging.getLogger(__name__)


def in_batches(step: Callable[[], int]) -> None:
    """Repeat ``step`` until it returns 0, and pause after each for as long as it took.

    So requests can use the database in between.
    """
    while True:
        begun = time.monotonic()
        if not step():
            return
        time.sleep(min(time.monotonic() - begun, 1.0))


def tenant_task(function: Callable[..., None]) -> Any:
    """Return a Celery task that runs ``function`` for the named tenant, or for every tenant.

    One tenant's failure is logged and does not affect the others; the task then fails as a whole.
    """

    @shared_task(name=f"{function.__module__}.{function.__name__}", ignore_result=True)
    @functools.wraps(function)
    def run(tenant: str | None = None, **options: Any) -> None:
        failed: list[Exception] = []
        for each in Tenant.objects.filter(**({"name": tenant} if tenant else {})):
            try:
                with tenant_scope(each):
                    function(**options)
            except Exception as error:
                log.exception("task failed", extra={"tenant": each.name, "task": function.__name__})
                failed.append(error)
        if failed:
            raise failed[0]

    return run
