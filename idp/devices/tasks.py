"""Expires device codes."""

from datetime import timedelta

from django.utils import timezone

from idp.devices.service import expire
from idp.tenancy.tasks import in_batches, tenant_task

GRACE = timedelta(hours=1)


@tenant_task
def expire_device_codes() -> None:
    """In batches, so that no write holds the database for long; whether it runs never decides what a poll is
    told.
    """
    in_batches(lambda: expire(timezone.now(), GRACE))
