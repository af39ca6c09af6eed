"""Deletes attempts that no longer count."""

from django.utils import timezone

from idp.ratelimit.budgets import sweep
from idp.tenancy.tasks import in_batches, tenant_task


@tenant_task
def sweep_attempts() -> None:
    """Delete old attempts in batches, so that no write locks the database for long."""
    in_batches(lambda: sweep(timezone.now()))
