"""The timeline of one device for an administrator, from the request to its end, and revoking it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from idp.accounts.models import Person
from idp.accounts.roles import require_authority_over
from idp.devices import service
from idp.devices.models import DeviceCode, DeviceState
from idp.devices.service import current_state, topic_of
from idp.devices.watch import DEVICE_EVENTS
from idp.events.feed import events_of_topics
from idp.oauth import tokens
from idp.oauth.models import RefreshToken, TokenFamily

MAX_REFRESHES = 20  # the latest ones; a device that runs for a month has thousands
_PREFIX = "device."
_SHOWN_KINDS = ("device.started", "device.code_entered", *sorted(DEVICE_EVENTS), "tokens.revoked")


@dataclass(frozen=True)
class TimelineEntry:
    """One entry of the timeline.

    ``what``: ``started``, ``code_entered``, ``approved`` … like the kinds of event, or ``refreshed``.

    ``by``: the username of the person who did it, "" for the device itself or the clock. ``address``: the
    address it came from, "" where that is not known.
    """

    at: datetime
    what: str
    by: str = ""
    address: str = ""
    why: str = ""


@dataclass(frozen=True)
class Timeline:
    """A device and its entries, oldest first, without codes, tokens or values derived from them.

    ``state``: the current state, "" when the request itself was deleted and only its events are left.
    ``tokens_until``: when the last usable token expires, None where there is none.
    """

    pk: int
    state: str
    application: str
    moments: tuple[TimelineEntry, ...]
    application_title: str = ""
    label: str = ""
    address: str = ""
    agent: str = ""
    scopes: tuple[str, ...] = ()
    person: str = ""
    methods: tuple[str, ...] = ()
    expires_at: datetime | None = None
    tokens_until: datetime | None = None
    refreshes: int = 0

    @property
    def can_end(self) -> bool:
        """Return whether there is anything left to deny or revoke."""
        return self.state in (DeviceState.PENDING, DeviceState.APPROVED) or (
            self.state == DeviceState.REDEEMED and self.tokens_until is not None
        )


@dataclass(frozen=True)
class PendingDevices:
    """The pending devices: their number, and the most recent ones."""

    count: int
    rows: tuple[DeviceCode, ...]


def topics_of(pk: int) -> tuple[str, ...]:
    """Return the topics of this device of the tenant, to subscribe to; () where there is none."""
    row = DeviceCode.objects.select_related("family").filter(pk=pk).first()
    return _topics(pk, row.family) if row else ()


def load_timeline(pk: int) -> Timeline | None:
    """Return the timeline of the tenant's device with this ID.

    Returns None when there is neither a row nor an event of it.
    """
    row = DeviceCode.objects.select_related("application", "person", "family").filter(pk=pk).first()
    family = row.family if row else None
    events = events_of_topics(_topics(pk, family), _SHOWN_KINDS)
    if row is None:
        return (
            Timeline(pk, "", events[0]["application"], tuple(_entries_of_events(events))) if events else None
        )
    refreshes = _refreshes(family)
    entries = sorted(
        [*_entries_of_row(row, events), *_entries_of_events(events), *refreshes], key=lambda each: each.at
    )
    return Timeline(
        pk,
        current_state(row).value,
        row.application.name,
        tuple(entries),
        row.application.title,
        row.label,
        row.address,
        row.agent,
        tuple(row.scopes),
        row.person.username if row.person else "",
        tuple(row.methods),
        row.expires_at,
        _tokens_until(family),
        RefreshToken.objects.filter(family=family, rotated_at__isnull=False).count() if family else 0,
    )


def pending_devices(most: int = 5) -> PendingDevices:
    """Return the pending devices, the most recent first."""
    rows = DeviceCode.objects.filter(state=DeviceState.PENDING, expires_at__gt=timezone.now())
    return PendingDevices(rows.count(), tuple(rows.select_related("application").order_by("-pk")[:most]))


@transaction.atomic
def end(pk: int, *, by: Person) -> bool:
    """Deny or revoke a device at once, and return whether there was anything to end; raise NotAllowed.

    A pending device is denied. An approved one is revoked, with every token that resulted from it.
    """
    _require_over(pk, by)
    why = "ended by an administrator"
    return service.deny_pending(pk, by=by.username, why=why) or service.revoke(pk, by=by.username, why=why)


@transaction.atomic
def revoke(pk: int, *, by: Person) -> bool:
    """Revoke a connected device, and return whether there was anything to revoke; raise NotAllowed."""
    _require_over(pk, by)
    return service.revoke(pk, by=by.username, why="revoked by an administrator")


def _require_over(pk: int, by: Person) -> None:
    """Raise NotAllowed where the device acts for a person with more permissions than ``by``."""
    row = DeviceCode.objects.select_related("person").filter(pk=pk).first()
    if row and row.person:
        require_authority_over(by, row.person.role)


def _topics(pk: int, family: TokenFamily | None) -> tuple[str, ...]:
    return (topic_of(pk), tokens.topic_of(family)) if family else (topic_of(pk),)


def _entries_of_events(events: list[dict[str, Any]]) -> list[TimelineEntry]:
    """Return the entries from events.

    The tokens that were revoked together with their device are left out.
    """
    ended = {event["data"].get("why") for event in events if event["kind"] == "device.revoked"}
    entries = []
    for event in events:
        what, why = event["kind"].removeprefix(_PREFIX), str(event["data"].get("why", ""))
        if what != "tokens.revoked" or why not in ended:
            by = "" if what == "redeemed" else event["actor"]  # by the device itself, on behalf of the person
            entries.append(
                TimelineEntry(datetime.fromisoformat(event["at"]), what, by, event["address"], why)
            )
    return entries


def _entries_of_row(row: DeviceCode, events: list[dict[str, Any]]) -> list[TimelineEntry]:
    """Return the entries that only the row itself records.

    Events may have been swept, but the row's own times exist as long as the row.
    """
    known = {event["kind"].removeprefix(_PREFIX) for event in events}
    person = row.person.username if row.person else ""
    entries = [] if "started" in known else [TimelineEntry(row.created_at, "started", address=row.address)]
    if row.decided_at and not known & {"approved", "denied"}:
        entries.append(
            TimelineEntry(row.decided_at, "denied" if row.state == DeviceState.DENIED else "approved", person)
        )
    if row.redeemed_at and "redeemed" not in known:
        entries.append(TimelineEntry(row.redeemed_at, "redeemed"))
    if row.family and row.family.revoked_at and not known & {"revoked", "tokens.revoked"}:
        entries.append(TimelineEntry(row.family.revoked_at, "tokens.revoked"))
    if current_state(row) == DeviceState.EXPIRED and "expired" not in known:
        entries.append(TimelineEntry(row.expires_at, "expired"))
    return entries


def _refreshes(family: TokenFamily | None) -> list[TimelineEntry]:
    rows = RefreshToken.objects.filter(family=family, rotated_at__isnull=False).order_by("-rotated_at")
    return (
        [
            TimelineEntry(at, "refreshed")
            for at in rows.values_list("rotated_at", flat=True)[:MAX_REFRESHES]
            if at
        ]
        if family
        else []
    )


def _tokens_until(family: TokenFamily | None) -> datetime | None:
    return (
        family.expires_at if family and not family.revoked_at and family.expires_at > timezone.now() else None
    )
