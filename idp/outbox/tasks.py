"""Delivers what is due, and deletes what was delivered long ago."""

from django.utils import timezone

from idp.outbox.delivery import deliver_due, sweep
from idp.tenancy.tasks import tenant_task


@tenant_task
def deliver_outbox() -> None:
    """Deliver one limited batch of each tenant.

    So one tenant's undeliverable mail does not delay the others. The next run comes soon.
    """
    deliver_due()


@tenant_task
def sweep_outbox() -> None:
    """Delete old deliveries in batches, so that no write locks the database for long."""
    while sweep(timezone.now()):
        pass
