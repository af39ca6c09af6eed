"""The event stream of a device, beside polling, which RFC 8628 section 3.5 allows.

It only ever says that something happened. The tokens are fetched by a poll, as always.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.devices.models import DeviceCode, DeviceState
from idp.devices.service import current_state, topic_of
from idp.foundation.sealing import digest

_OPEN = (DeviceState.PENDING, DeviceState.APPROVED, DeviceState.DENIED, DeviceState.EXPIRED)
DEVICE_EVENTS = {"device.approved", "device.denied", "device.expired", "device.redeemed", "device.revoked"}
FINAL_STATES = {DeviceState.DENIED, DeviceState.EXPIRED, DeviceState.REVOKED}


@dataclass(frozen=True)
class WatchTicket:
    """Permission to listen to ``topic`` until ``expires_at``, and the current state."""

    device: int
    topic: str
    state: DeviceState
    expires_at: datetime


def parse_device_code(authorization: str) -> str:
    """Return the device code of an Authorization header, in any spacing, or "".

    It is empty for every other scheme, which a proxy may have added.
    """
    scheme, _, code = authorization.strip().partition(" ")
    return code.strip() if scheme.lower() == "device" else ""


def issue_ticket(authorization: str) -> WatchTicket | None:
    """Return the ticket for ``Authorization: Device <device_code>``, or None.

    The response does not reveal what is wrong with the code (checklist D43).
    """
    code = parse_device_code(authorization)
    if not code:
        return None
    row = DeviceCode.objects.filter(device_code_hash=digest(code), application__is_active=True).first()
    state = current_state(row) if row else None
    if row is None or state not in _OPEN:
        return None
    return WatchTicket(row.pk, topic_of(row.pk), state, row.expires_at)


def state_of(device: int) -> DeviceState | None:
    """Return the current state, or None once the row is deleted."""
    row = DeviceCode.objects.filter(pk=device).first()
    return current_state(row) if row else None
