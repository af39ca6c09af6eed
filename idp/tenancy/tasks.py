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
    """Repeats ``step`` until it answers 0, and rests after each as long as it took: requests have the
    database in between.
    """
    while True:
        begun = time.monotonic()
        if not step():
            return
        time.sleep(min(time.monotonic() - begun, 1.0))


def tenant_task(function: Callable[..., None]) -> Any:
    """A Celery task that runs ``function`` for the tenant with this name, or for every tenant when none is
    named.

    One tenant's failure is logged and does not keep the others from their turn; the task then fails as a
    whole.
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
