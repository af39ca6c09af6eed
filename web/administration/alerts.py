"""The alerts under *Needs attention*, with the operation that each requires, for the console and the API."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from blueprints.files import drift
from blueprints.files.apply import failing_results
from idp.accounts.credentials import staff_without_second_factor
from idp.oauth import keys
from idp.outbox.delivery import failure_summary

_WEEK = timedelta(days=7)

ALERTS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    # blueprints belong to the installation, and their messages may name another tenant's objects
    "failing_blueprints": ("tenants.see", failing_results),
    "undelivered_mails": ("branding.see", lambda: failure_summary(timezone.now() - _WEEK)),
    "drifted": ("blueprints.see", drift.stored_drift),
    "unguarded": ("people.see", staff_without_second_factor),
    "retiring_keys": ("keys.see", keys.retiring_keys),
}


def find_alerts(may: Callable[[str], bool]) -> dict[str, Any]:
    """Return what was found for each alert that ``may`` allows, in the order of the table."""
    return {name: look() for name, (operation, look) in ALERTS.items() if may(operation)}
