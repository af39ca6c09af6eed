"""Deletes expired sessions and recovery links."""

from django.utils import timezone

from idp.accounts import recovery, sessions
from idp.tenancy.tasks import in_batches, tenant_task


@tenant_task
def sweep_sessions() -> None:
    """Delete expired sessions and links in batches, so that no write locks the database for long."""
    in_batches(lambda: sessions.sweep(timezone.now()))
    in_batches(lambda: recovery.sweep(timezone.now()))
