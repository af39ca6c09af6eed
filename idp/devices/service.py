"""The device's state machine (RFC 8628): every transition is one verb and one compare-and-set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts import people, sessions
from idp.devices import codes, throttling
from idp.devices.capacity import check_room, network_of
from idp.devices.models import DeviceCode, State
from idp.events.bus import publish, publish_bounded, publish_many
from idp.events.origin import current_origin
from idp.foundation.effects import Effect, EffectLost
from idp.foundation.sealing import digest, new_token
from idp.oauth import clients, retries, tokens
from idp.oauth.errors import InvalidGrant, InvalidRequest
from idp.oauth.models import Application
from idp.oauth.retries import Given

SLOW_DOWN_SECONDS = 5
MOST_SECONDS = 300  # no early poll makes it longer, so that there is an end to what they write
JITTER = timedelta(seconds=1)
_CLOSED = (State.DENIED, State.EXPIRED, State.REDEEMED, State.REVOKED)


@dataclass(frozen=True)
class Ask:
    """What a device asks for: parsed, authenticated and filtered by the endpoint."""

    application: Application
    scopes: tuple[str, ...]
    issuer: str
    nonce: str = ""
    code_challenge: str = ""
    label: str = ""


@dataclass(frozen=True)
class Started:
    """The two codes, told once and stored only as hashes; times in seconds."""

    expires_in: int
    interval: int
    device_code: str = field(repr=False)
    user_code: str = field(repr=False)


@dataclass(frozen=True)
class Waiting:
    """A device on which somebody may decide, as the person who decides sees it."""

    pk: int
    application: Application
    scopes: tuple[str, ...]
    address: str
    agent: str
    label: str
    asked_at: datetime


def topic_of(device: int) -> str:
    """The topic of a device's events."""
    return f"device:{device}"


def start(ask: Ask) -> Started:
    """Begins a request; raises TooManyRequests when the application or the address has too many waiting
    (checklist D35).
    """
    origin, now = current_origin(), timezone.now()
    check_room(ask.application, origin.address, now)
    lifetime = timedelta(seconds=ask.application.device_code_lifetime)
    device_code, length = new_token(), throttling.code_length()
    row = DeviceCode(
        device_code_hash=digest(device_code),
        application=ask.application,
        issuer=ask.issuer,
        scopes=list(ask.scopes),
        nonce=ask.nonce,
        code_challenge=ask.code_challenge,
        interval=ask.application.device_interval,
        created_at=now,
        expires_at=now + lifetime,
        address=origin.address,
        network=network_of(origin.address),
        agent=origin.agent,
        label=ask.label,
    )
    with transaction.atomic():
        user_code = _save_with_free_code(row, length)
        _tell("device.started", row, scopes=row.scopes)
    return Started(ask.application.device_code_lifetime, row.interval, device_code, user_code)


def find_waiting(typed: str) -> Waiting | None:
    """The waiting device with this user code, however it was typed; None when it is unknown, expired or
    already decided.
    """
    hashes = codes.user_code_hashes(codes.normalised(typed))
    return _waiting(DeviceCode.objects.filter(user_code_hash__in=hashes))


def waiting(pk: int) -> Waiting | None:
    """The device with this number, while nobody has decided and it has not expired."""
    return _waiting(DeviceCode.objects.filter(pk=pk))


def connected(pk: int) -> bool:
    """Whether the device has fetched its tokens."""
    return DeviceCode.objects.filter(pk=pk, state=State.REDEEMED).exists()


@dataclass(frozen=True)
class NoteEntry(Effect):
    """Records that somebody entered this device's code: the audit trail tells a device's whole story."""

    device: int
    person: int | None

    def apply(self) -> None:
        row, person = _row(self.device), people.find(self.person)
        if row:
            _tell("device.code_entered", row, actor=person.username if person else "")


@dataclass(frozen=True)
class ApproveDevice(Effect):
    """Approves a device on behalf of the person of a living session, within the scopes that the page showed.

    ``flow``: the flow in which the person said so; refused unless it is the one that the application
    requires.
    """

    device: int
    session: int
    scopes: tuple[str, ...]
    flow: str

    def apply(self) -> None:
        approve(self)

    def learned(self, result: None) -> Mapping[str, Any]:
        return {"consent": {"device": self.device, "scopes": list(self.scopes)}}


@dataclass(frozen=True)
class DenyDevice(Effect):
    """Denies a device: a decision is final."""

    device: int
    session: int

    def apply(self) -> None:
        deny(self)


def approve(decision: ApproveDevice) -> None:
    """``pending → approved``; raises EffectLost when it is no longer pending, or the person may not."""
    session, row = sessions.alive(decision.session), _row(decision.device)
    if session is None or row is None or not clients.may_use(session.person, row.application):
        raise EffectLost(_("You don't have permission to connect this device."), final=True)
    if row.application.flows.get("device_code", decision.flow) != decision.flow:
        raise EffectLost(_("This application requires a different way to sign in."), final=True)
    values = {
        "person": session.person,
        "methods": session.methods,
        "authenticated_at": session.authenticated_at,
        "scopes": [scope for scope in row.scopes if scope in decision.scopes],
    }
    _decide(decision.device, State.APPROVED, **values)
    _tell("device.approved", row, actor=session.person.username)


def deny(decision: DenyDevice) -> None:
    """``pending → denied``; raises EffectLost when it is no longer pending."""
    session, row = sessions.alive(decision.session), _row(decision.device)
    if session is None or row is None:
        raise EffectLost(_("You don't have permission to approve or deny this device."), final=True)
    _decide(decision.device, State.DENIED, person=session.person)
    _tell("device.denied", row, actor=session.person.username)


def find_for_client(application: Application, device_code: str, issuer: str) -> DeviceCode:
    """The row of this client's device code; raises InvalidGrant: another client's or tenant's code does not
    exist (D14, D25).
    """
    row = DeviceCode.objects.filter(
        device_code_hash=digest(device_code), application=application, issuer=issuer
    ).first()
    if row is None:
        throttling.charge_unknown_device_code(current_origin().address)
        raise InvalidGrant
    row.application = application
    return row


def state_now(row: DeviceCode) -> State:
    """The state that counts at this moment: expiry is judged when read, whether or not anything swept the
    row.
    """
    if row.state in (State.PENDING, State.APPROVED) and row.expires_at <= timezone.now():
        return State.EXPIRED
    return State(row.state)


def polled_too_early(row: DeviceCode) -> bool:
    """Notes an accepted poll, or answers True for one that came too early, whose device then waits 5 s longer
    for good.

    Measured from the last accepted poll, with a second of jitter allowed; a rejected poll does not move the
    clock, so a client that obeys is always served. The time of the last poll lives in the cache: forgetting
    it is only lenient (D38), so one in the future, after the clock was set back, counts as none.
    """
    key, now = f"device-poll:{row.pk}", timezone.now()
    last = cache.get(key)
    if last is not None and timedelta(0) <= now - last < timedelta(seconds=row.interval) - JITTER:
        DeviceCode.objects.filter(pk=row.pk, interval__lt=MOST_SECONDS).update(
            interval=models.F("interval") + SLOW_DOWN_SECONDS
        )
        return True
    cache.set(key, now, timeout=row.interval * 2 + 60)
    return False


def redeem(row: DeviceCode, family: Any, now: datetime) -> None:
    """``approved → redeemed``, for exactly one of any number of racing requests; raises InvalidGrant for the
    others (D24).
    """
    open_rows = DeviceCode.objects.filter(pk=row.pk, state=State.APPROVED, expires_at__gt=now)
    if not open_rows.update(state=State.REDEEMED, redeemed_at=now, family=family):
        raise InvalidGrant
    _tell("device.redeemed", row, actor=row.person.username if row.person else "")


def given(row: DeviceCode, device_code: str) -> Given:
    """The answer that a redeemed code got and may get once more; otherwise ends what it gave, and raises
    InvalidGrant (D27).

    Within the grace, and as long as nothing of it was used, this is the loser of a race or a client that lost
    the answer.
    """
    found = retries.given(row.family, device_code, row.redeemed_at)
    if found is None:
        revoke(row.pk, why="device code used twice")
        raise InvalidGrant
    return found


def given_now(row: DeviceCode, device_code: str) -> Given | None:
    """The same for who saw the code unredeemed and came second: who loses a race ends nothing."""
    now = DeviceCode.objects.select_related("family").filter(pk=row.pk).first()
    return retries.given(now.family, device_code, now.redeemed_at) if now else None


@transaction.atomic
def revoke(pk: int, *, why: str, by: str = "") -> bool:
    """``approved | redeemed → revoked``, with every token that came out of it; answers whether there was
    anything to revoke.

    ``by``: the administrator who did it, "" where the protocol did.
    """
    row = (
        DeviceCode.objects.filter(pk=pk)
        .select_related("family__person", "family__application", "application")
        .first()
    )
    living = DeviceCode.objects.filter(pk=pk, state__in=(State.APPROVED, State.REDEEMED))
    if row is None or not living.update(state=State.REVOKED):
        return False
    if row.family:
        tokens.revoke_family(row.family, why=why)
    _tell("device.revoked", row, why=why, **({"actor": by} if by else {}))
    return True


@transaction.atomic
def turn_away(pk: int, *, by: str, why: str) -> bool:
    """``pending → denied`` by an administrator; answers whether it was still waiting."""
    row, now = _row(pk), timezone.now()
    waiting_rows = DeviceCode.objects.filter(pk=pk, state=State.PENDING, expires_at__gt=now)
    if row is None or not waiting_rows.update(state=State.DENIED, decided_at=now):
        return False
    _tell("device.denied", row, actor=by, why=why)
    return True


@transaction.atomic
def drop_all(*, why: str) -> int:
    """Ends every device that has not been redeemed, when its codes can no longer be trusted; answers how
    many.
    """
    waiting_rows = DeviceCode.objects.filter(state__in=(State.PENDING, State.APPROVED))
    dropped = waiting_rows.update(state=State.EXPIRED, expires_at=timezone.now())
    publish("device.all_dropped", why=why, count=dropped)
    return dropped


def expire(now: datetime, grace: timedelta, batch: int = 200) -> int:
    """Marks one batch of overdue codes as expired and deletes one batch whose grace period is over; answers
    how many rows.

    Until it is deleted a code is reported as expired, after that as unknown (D37). What was redeemed is kept
    as long as its token family is, so that the device can be looked at and revoked, and a code that comes
    back is noticed (D27).
    """
    overdue = DeviceCode.objects.filter(state__in=(State.PENDING, State.APPROVED), expires_at__lte=now)
    marked = _mark_expired(overdue, batch)
    over = DeviceCode.objects.filter(state__in=_CLOSED, expires_at__lte=now - grace, family=None)
    gone = list(over.values_list("pk", flat=True)[:batch])
    return marked + (DeviceCode.objects.filter(pk__in=gone).delete()[0] if gone else 0)


def _tell(kind: str, row: DeviceCode, **members: Any) -> None:
    """An event of this device's story, on its topic.

    Anybody can start a device, so of that there are only so many.
    """
    tell = publish_bounded if kind == "device.started" else publish
    tell(kind, target=f"device {row.pk}", application=row.application.name, topic=topic_of(row.pk), **members)


@transaction.atomic
def _mark_expired(overdue: models.QuerySet[DeviceCode], batch: int) -> int:
    """Marks those of a batch that are still open and that no other request or worker is at, and tells of
    exactly these.
    """
    stale = list(overdue.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    if not stale:
        return 0
    rows = DeviceCode.objects.filter(pk__in=stale)
    rows.update(state=State.EXPIRED)
    marked = rows.values_list("pk", "application__name")
    publish_many("device.expired", [(f"device {pk}", name, topic_of(pk)) for pk, name in marked])
    return len(marked)


def _save_with_free_code(row: DeviceCode, length: int) -> str:
    # a collision among live codes has a chance of about live / 20⁸: eight in a row do not happen
    for _attempt in range(8):
        user_code = codes.new_user_code(length)
        row.user_code_hash = codes.user_code_hash(user_code)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            continue
        return user_code
    raise InvalidRequest("No code is available. Try again.")


def _decide(pk: int, state: State, **values: Any) -> None:
    now = timezone.now()
    if not DeviceCode.objects.filter(pk=pk, state=State.PENDING, expires_at__gt=now).update(
        state=state, decided_at=now, **values
    ):
        raise EffectLost(
            _("This code was already used or has expired. Start again on your device."), final=True
        )


def _row(pk: int) -> DeviceCode | None:
    return DeviceCode.objects.filter(pk=pk).select_related("application").first()


def _waiting(rows: models.QuerySet[DeviceCode]) -> Waiting | None:
    row = (
        rows.filter(state=State.PENDING, expires_at__gt=timezone.now(), application__is_active=True)
        .select_related("application")
        .first()
    )
    if row is None:
        return None
    return Waiting(
        row.pk, row.application, tuple(row.scopes), row.address, row.agent, row.label, row.created_at
    )
