"""Periodic tasks: apply the watched folder and look for drift."""

from celery import shared_task

from blueprints.files import drift, watch
from idp.tenancy.tasks import tenant_task


@shared_task(ignore_result=True)
def apply_watched() -> None:
    """Apply what changed in the watched folder. Runs every ten seconds."""
    watch.apply_changed()


@tenant_task
def look_for_drift() -> None:
    """Store the drift of the tenant in scope. Runs every ten minutes."""
    drift.record_drift()
