"""The alerts under *Needs attention*, with the operation that each requires, for the console and the API."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from blueprints.files import drift
from blueprints.files.apply import failing
from idp.accounts.credentials import unguarded_staff
from idp.oauth import keys
from idp.outbox.delivery import failed

_WEEK = timedelta(days=7)

CONCERNS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    # blueprints belong to the installation, and their messages may name another tenant's objects
    "failing_blueprints": ("tenants.see", failing),
    "undelivered_mails": ("branding.see", lambda: failed(timezone.now() - _WEEK)),
    "drifted": ("blueprints.see", drift.stored),
    "unguarded": ("people.see", unguarded_staff),
    "retiring_keys": ("keys.see", keys.retiring),
}


def concerns(may: Callable[[str], bool]) -> dict[str, Any]:
    """Return what was found for each alert that ``may`` allows, in the order of the table."""
    return {name: look() for name, (operation, look) in CONCERNS.items() if may(operation)}
