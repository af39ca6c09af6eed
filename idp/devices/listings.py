"""The list of devices that asked to be signed in."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from idp.devices.models import DeviceCode, State
from idp.devices.service import state_now
from idp.foundation.listing import Column, Filter, Listing, refers
from idp.foundation.text import fold


def _time(name: str) -> Any:
    return lambda row: getattr(row, name).isoformat() if getattr(row, name) else None


DEVICES = Listing(
    "devices",
    _("Devices"),
    lambda: DeviceCode.objects.select_related("application", "person"),
    (
        Column(
            "application", _("Application"), lambda row: row.application.name, "application__name", few=True
        ),
        Column("state", _("State"), lambda row: state_now(row).value, "state", few=True),
        Column(
            "person",
            _("Decided by"),
            lambda row: row.person.username if row.person else "",
            "person__username",
            few=True,
        ),
        Column("label", _("Device"), lambda row: row.label),
        Column("address", _("Asked from"), lambda row: row.address, "address", "code", few=True),
        Column("scopes", _("Asks for"), lambda row: list(row.scopes), kind="list"),
        Column("asked", _("Asked"), _time("created_at"), "created_at", "time"),
        Column("decided", _("Decided"), _time("decided_at"), "decided_at", "time", few=True),
        Column("redeemed", _("Connected"), _time("redeemed_at"), "redeemed_at", "time", few=True),
        Column("expires", _("Until"), _time("expires_at"), "expires_at", "time", few=True),
    ),
    search=("label", "address", "application__name", "person__username"),
    filters=(
        Filter(
            "state",
            _("State"),
            lambda rows, value: rows.filter(state=value),
            lambda: [(each.value, each.label) for each in State],
        ),
        Filter("application", _("Application"), refers("application__name")),
        Filter("person", _("Decided by"), refers("person__username", fold)),
    ),
    order="-created_at",
)
