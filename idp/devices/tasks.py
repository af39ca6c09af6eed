"""Expires device codes."""

from datetime import timedelta

from django.utils import timezone

from idp.devices.service import expire_overdue
from idp.tenancy.tasks import in_batches, tenant_task

GRACE = timedelta(hours=1)


@tenant_task
def expire_device_codes() -> None:
    """Expire device codes in batches, so that no write locks the database for long.

    The response to a poll never depends on this task.
    """
    in_batches(lambda: expire_overdue(timezone.now(), GRACE))
