"""The event stream of a device, beside polling, which RFC 8628 section 3.5 allows.

It only ever says that something happened. The tokens are fetched by a poll, as always.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.devices.models import DeviceCode, State
from idp.devices.service import state_now, topic_of
from idp.foundation.sealing import digest

_OPEN = (State.PENDING, State.APPROVED, State.DENIED, State.EXPIRED)
NEWS = {"device.approved", "device.denied", "device.expired", "device.redeemed", "device.revoked"}
FINAL = {State.DENIED, State.EXPIRED, State.REVOKED}


@dataclass(frozen=True)
class Ticket:
    """Permission to listen to ``topic`` until ``expires_at``, and the current state."""

    device: int
    topic: str
    state: State
    expires_at: datetime


def code_in(authorization: str) -> str:
    """Return the device code of an Authorization header, in any spacing, or "".

    It is empty for every other scheme, which a proxy may have added.
    """
    scheme, _, code = authorization.strip().partition(" ")
    return code.strip() if scheme.lower() == "device" else ""


def ticket(authorization: str) -> Ticket | None:
    """Return the ticket for ``Authorization: Device <device_code>``, or None.

    The response does not reveal what is wrong with the code (checklist D43).
    """
    code = code_in(authorization)
    if not code:
        return None
    row = DeviceCode.objects.filter(device_code_hash=digest(code), application__is_active=True).first()
    state = state_now(row) if row else None
    if row is None or state not in _OPEN:
        return None
    return Ticket(row.pk, topic_of(row.pk), state, row.expires_at)


def state_of(device: int) -> State | None:
    """Return the current state, or None once the row is deleted."""
    row = DeviceCode.objects.filter(pk=device).first()
    return state_now(row) if row else None
