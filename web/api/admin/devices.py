"""What became of one device, and its end."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from django.http import HttpResponse
from pydantic import BaseModel
from pydantic import Field as say

from idp.devices.timeline import Story, end, story
from web.api.admin.failures import NoSuchThing
from web.api.admin.operations import Calls
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer
from web.api.schemas import Acted

calls = Calls("devices")
_LONGEST = 18  # digits of a number that the database holds


class DeviceMoment(BaseModel):
    """One thing that happened. What is not known is empty."""

    at: datetime
    what: str = say(
        description=(
            "started, code_entered, approved, denied, expired, redeemed, refreshed, revoked, tokens.revoked."
        ),
        examples=["approved"],
    )
    by: str = say(description="Who did it; empty: the device itself, or the clock.")
    address: str
    why: str


class DeviceStory(BaseModel):
    """A device and all that happened to it, oldest first; neither codes nor tokens."""

    key: str
    state: Literal["", "pending", "approved", "redeemed", "denied", "expired", "revoked"] = say(
        description="Empty: it is no longer kept, and only the events tell of it."
    )
    application: str
    application_title: str
    label: str
    address: str
    agent: str
    scopes: list[str]
    person: str = say(description="Who decided.")
    methods: list[str] = say(description="How they had proved themselves (RFC 8176).")
    expires_at: datetime | None
    tokens_until: datetime | None = say(
        description="When the last token ends that it could use; null: it has none."
    )
    refreshes: int = say(description="How often it fetched new tokens; the story tells of the last twenty.")
    can_end: bool
    moments: list[DeviceMoment]


@calls.add(
    "GET", "/{any:key}/story", needs="devices.see", name="get-device-story", answers={200: DeviceStory}
)
def get_story(request: ApiRequest, key: str) -> HttpResponse:
    """All that happened to it: asked, entered, decided, connected, refreshed, ended."""
    found = _found(key)
    told = asdict(found)
    return answer({"key": str(told.pop("pk")), **told, "can_end": found.can_end})


@calls.add("POST", "/{any:key}/end", needs="devices.revoke", name="end-device", answers={200: Acted})
def end_device(request: ApiRequest, key: str) -> HttpResponse:
    """Takes away whatever it has or waits for, at once: one that waits is denied, one that is connected loses
    its tokens.
    """
    return answer({"changed": end(_found(key).pk, by=request.auth)})


router = calls.router


def _found(key: str) -> Story:
    """The story of the device with this key; raises NoSuchThing."""
    found = story(int(key)) if key.isascii() and key.isdigit() and len(key) <= _LONGEST else None
    if found is None:
        raise NoSuchThing
    return found
