"""The list of devices."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from idp.devices.models import DeviceCode, State
from idp.devices.service import state_now
from idp.foundation.listing import Column, Filter, Listing, refers
from idp.foundation.text import fold

STATES = {
    State.PENDING.value: _("Pending"),
    State.APPROVED.value: _("Approved"),
    State.DENIED.value: _("Denied"),
    State.EXPIRED.value: _("Expired"),
    State.REDEEMED.value: _("Connected"),
    State.REVOKED.value: _("Revoked"),
}


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
        Column("state", _("Status"), lambda row: state_now(row).value, "state", few=True),
        Column(
            "person",
            _("Approved/denied by"),
            lambda row: row.person.username if row.person else "",
            "person__username",
            few=True,
        ),
        Column("label", _("Device name"), lambda row: row.label),
        Column("address", _("IP address"), lambda row: row.address, "address", "code", few=True),
        Column("scopes", _("Scopes"), lambda row: list(row.scopes), kind="list"),
        Column("asked", _("Requested"), _time("created_at"), "created_at", "time"),
        Column("decided", _("Decided"), _time("decided_at"), "decided_at", "time", few=True),
        Column("redeemed", _("Connected"), _time("redeemed_at"), "redeemed_at", "time", few=True),
        Column("expires", _("Expires"), _time("expires_at"), "expires_at", "time", few=True),
    ),
    search=("label", "address", "application__name", "person__username"),
    filters=(
        Filter(
            "state",
            _("Status"),
            lambda rows, value: rows.filter(state=value),
            lambda: list(STATES.items()),
        ),
        Filter("application", _("Application"), refers("application__name")),
        Filter("person", _("Approved/denied by"), refers("person__username", fold)),
    ),
    order="-created_at",
)
