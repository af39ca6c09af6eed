"""Delivers what is owed, and deletes what was delivered long ago."""

from django.utils import timezone

from idp.outbox.delivery import deliver_due, sweep
from idp.tenancy.tasks import tenant_task


@tenant_task
def deliver_outbox() -> None:
    """One bounded batch of each tenant: nobody's undeliverable mail keeps the others waiting; the next turn
    comes soon.
    """
    deliver_due()


@tenant_task
def sweep_outbox() -> None:
    """In batches, so that no write holds the database for long."""
    while sweep(timezone.now()):
        pass
