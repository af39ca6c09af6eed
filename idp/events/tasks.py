"""Deletes events that are older than FOYER_EVENTS_DAYS."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from idp.events import retention
from idp.tenancy.tasks import in_batches, tenant_task


@tenant_task
def sweep_events() -> None:
    """Delete old events in batches, or none if FOYER_EVENTS_DAYS is 0."""
    if settings.EVENTS_DAYS:
        before = timezone.now() - timedelta(days=settings.EVENTS_DAYS)
        in_batches(lambda: retention.sweep(before))
