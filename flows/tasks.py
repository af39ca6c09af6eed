"""The periodic task that counts the results of runs and deletes expired ones."""

from django.utils import timezone

from flows.simulation.funnel import sweep
from idp.tenancy.tasks import in_batches, tenant_task


@tenant_task
def sweep_runs() -> None:
    """Sweep in batches, so that no write holds the database for long."""
    in_batches(lambda: sweep(timezone.now()))
