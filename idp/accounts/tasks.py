"""Deletes sessions that nobody can use any more."""

from django.utils import timezone

from idp.accounts.sessions import sweep
from idp.tenancy.tasks import tenant_task


@tenant_task
def sweep_sessions() -> None:
    """In batches, so that no write holds the database for long."""
    while sweep(timezone.now()):
        pass
