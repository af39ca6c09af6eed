"""Looks at the watched folder, and for what was changed by hand."""

from celery import shared_task

from blueprints.files import drift, watch
from idp.tenancy.tasks import tenant_task


@shared_task(ignore_result=True)
def apply_watched() -> None:
    """Every ten seconds."""
    watch.look()


@tenant_task
def look_for_drift() -> None:
    """Every ten minutes."""
    drift.note_drift()
