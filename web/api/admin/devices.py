"""The history of a device, and the operation that ends it."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from django.http import HttpResponse
from pydantic import BaseModel, Field

from idp.devices.timeline import Timeline, end, load_timeline
from web.api.admin.failures import ResourceNotFound
from web.api.admin.operations import OperationRouter
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import json_response
from web.api.schemas import ActionResult

operations = OperationRouter("devices")
_MAX_DIGITS = 18  # the most digits that always fit the database's integer


class DeviceHistoryEntry(BaseModel):
    """One event of a device. Unknown values are empty."""

    at: datetime
    what: str = Field(
        description=(
            "started, code_entered, approved, denied, expired, redeemed, refreshed, revoked, tokens.revoked."
        ),
        examples=["approved"],
    )
    by: str = Field(description="The person who did it. Empty: the device itself, or a timeout.")
    address: str
    why: str


class DeviceHistory(BaseModel):
    """A device and its history, oldest first, without codes and tokens."""

    key: str
    state: Literal["", "pending", "approved", "redeemed", "denied", "expired", "revoked"] = Field(
        description="Empty: the request was deleted, and only its events remain."
    )
    application: str
    application_title: str
    label: str
    address: str
    agent: str
    scopes: list[str]
    person: str = Field(description="The person who approved or denied it.")
    methods: list[str] = Field(description="How that person had signed in (RFC 8176).")
    expires_at: datetime | None
    tokens_until: datetime | None = Field(description="When its last token expires. null: it has no tokens.")
    refreshes: int = Field(description="How often it refreshed its tokens. The history lists the last 20.")
    can_end: bool
    moments: list[DeviceHistoryEntry]


@operations.add(
    "GET",
    "/{any:key}/history",
    permission="devices.see",
    name="get_device_history",
    title="Get the history of a device",
    responses={200: DeviceHistory},
)
def get_history(request: ApiRequest, key: str) -> HttpResponse:
    """Return the history of a device: requested, code entered, decided, connected, refreshed, ended."""
    found = _find_device(key)
    data = asdict(found)
    return json_response({"key": str(data.pop("pk")), **data, "can_end": found.can_end})


@operations.add(
    "POST",
    "/{any:key}/end",
    permission="devices.revoke",
    name="deny_or_revoke_device",
    title="Deny or revoke a device",
    responses={200: ActionResult},
)
def end_device(request: ApiRequest, key: str) -> HttpResponse:
    """Deny a pending device, or revoke the access of a connected one, immediately."""
    return json_response({"changed": end(_find_device(key).pk, by=request.auth)})


router = operations.router


def _find_device(key: str) -> Timeline:
    """Return the timeline of the device with this key; raise ResourceNotFound."""
    found = load_timeline(int(key)) if key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS else None
    if found is None:
        raise ResourceNotFound
    return found
