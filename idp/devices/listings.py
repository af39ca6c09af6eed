"""The list of devices."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from idp.devices.models import DeviceCode, DeviceState
from idp.devices.service import current_state
from idp.foundation.listing import Column, Filter, Listing, filter_by_reference
from idp.foundation.text import fold

STATES = {
    DeviceState.PENDING.value: _("Pending"),
    DeviceState.APPROVED.value: _("Approved"),
    DeviceState.DENIED.value: _("Denied"),
    DeviceState.EXPIRED.value: _("Expired"),
    DeviceState.REDEEMED.value: _("Connected"),
    DeviceState.REVOKED.value: _("Revoked"),
}


def _time(name: str) -> Any:
    return lambda row: getattr(row, name).isoformat() if getattr(row, name) else None


DEVICES = Listing(
    "devices",
    _("Devices"),
    lambda: DeviceCode.objects.select_related("application", "person"),
    (
        Column(
            "application",
            _("Application"),
            lambda row: row.application.name,
            "application__name",
            short_lists_only=True,
        ),
        Column("state", _("Status"), lambda row: current_state(row).value, "state", short_lists_only=True),
        Column(
            "person",
            _("Approved/denied by"),
            lambda row: row.person.username if row.person else "",
            "person__username",
            short_lists_only=True,
        ),
        Column("label", _("Device name"), lambda row: row.label),
        Column("address", _("IP address"), lambda row: row.address, "address", "code", short_lists_only=True),
        Column("scopes", _("Scopes"), lambda row: list(row.scopes), kind="list"),
        Column("asked", _("Requested"), _time("created_at"), "created_at", "time"),
        Column("decided", _("Decided"), _time("decided_at"), "decided_at", "time", short_lists_only=True),
        Column(
            "redeemed", _("Connected"), _time("redeemed_at"), "redeemed_at", "time", short_lists_only=True
        ),
        Column("expires", _("Expires"), _time("expires_at"), "expires_at", "time", short_lists_only=True),
    ),
    search=("label", "address", "application__name", "person__username"),
    filters=(
        Filter(
            "state",
            _("Status"),
            lambda rows, value: rows.filter(state=value),
            lambda: list(STATES.items()),
        ),
        Filter("application", _("Application"), filter_by_reference("application__name")),
        Filter("person", _("Approved/denied by"), filter_by_reference("person__username", fold)),
    ),
    order="-created_at",
)
