"""The state machine of a device (RFC 8628): each transition is one function and one compare-and-set."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts import people, sessions
from idp.devices import codes, throttling
from idp.devices.capacity import check_capacity, network_of
from idp.devices.models import DeviceCode, DeviceState
from idp.events.bus import publish, publish_bounded, publish_bulk
from idp.events.origin import current_origin
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.facts import Approval, Facts
from idp.foundation.sealing import digest, new_token
from idp.oauth import clients, retries, tokens
from idp.oauth.errors import InvalidGrant, InvalidRequest
from idp.oauth.models import Application
from idp.oauth.retries import PreviousResponse

SLOW_DOWN_SECONDS = 5
MAX_INTERVAL = 300  # early polls do not raise it further, which limits their writes
JITTER = timedelta(seconds=1)
_CLOSED = (DeviceState.DENIED, DeviceState.EXPIRED, DeviceState.REDEEMED, DeviceState.REVOKED)


@dataclass(frozen=True)
class DeviceRequest:
    """The request of a device, parsed, authenticated and filtered by the endpoint."""

    application: Application
    scopes: tuple[str, ...]
    issuer: str
    nonce: str = ""
    code_challenge: str = ""
    label: str = ""


@dataclass(frozen=True)
class DeviceAuthorization:
    """The two codes of a new request, which are stored only as hashes; times are in seconds."""

    expires_in: int
    interval: int
    device_code: str = field(repr=False)
    user_code: str = field(repr=False)


@dataclass(frozen=True)
class PendingDevice:
    """A pending device, as the deciding person sees it."""

    pk: int
    application: Application
    scopes: tuple[str, ...]
    address: str
    agent: str
    label: str
    requested_at: datetime


def topic_of(device: int) -> str:
    """Return the topic of a device's events."""
    return f"device:{device}"


def start(ask: DeviceRequest) -> DeviceAuthorization:
    """Start a request; raise TooManyRequests when too many devices are pending (checklist D35).

    The limits are those of the application and of the address.
    """
    origin, now = current_origin(), timezone.now()
    check_capacity(ask.application, origin.address, now)
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
        _publish("device.started", row, scopes=row.scopes)
    return DeviceAuthorization(ask.application.device_code_lifetime, row.interval, device_code, user_code)


def find_pending_by_code(typed: str) -> PendingDevice | None:
    """Return the pending device with this user code, in any spelling.

    Returns None when the code is unknown, expired or already decided.
    """
    hashes = codes.user_code_hashes(codes.normalize_user_code(typed))
    return _waiting(DeviceCode.objects.filter(user_code_hash__in=hashes))


def find_pending(pk: int) -> PendingDevice | None:
    """Return the device with this ID while it is pending and has not expired."""
    return _waiting(DeviceCode.objects.filter(pk=pk))


def is_connected(pk: int) -> bool:
    """Return whether the device has received its tokens."""
    return DeviceCode.objects.filter(pk=pk, state=DeviceState.REDEEMED).exists()


@dataclass(frozen=True)
class NoteEntry(Effect):
    """Records that a person entered this device's code, so that the audit log is complete."""

    device: int
    person: int | None

    def apply(self) -> None:
        row, person = _row(self.device), people.find(self.person)
        if row:
            _publish("device.code_entered", row, actor=person.username if person else "")


@dataclass(frozen=True)
class ApproveDevice(Effect):
    """Approves a device for the person of an active session, within the scopes that the page showed.

    ``session`` is None only in a dry run. ``flow``: the flow in which the person decided. It must be the one
    that the application requires.
    """

    device: int
    session: int | None
    scopes: tuple[str, ...]
    flow: str

    def apply(self) -> None:
        approve(self)

    def new_facts(self, result: None) -> Facts:
        return Facts(consent=Approval(self.device, self.scopes))


@dataclass(frozen=True)
class DenyDevice(Effect):
    """Denies a device; a decision is final. ``session`` is None only in a dry run."""

    device: int
    session: int | None

    def apply(self) -> None:
        deny(self)


def approve(decision: ApproveDevice) -> None:
    """Change ``pending`` to ``approved``; raise EffectConflict when it is not pending or not permitted."""
    session, row = sessions.find_by_id(decision.session), _row(decision.device)
    if session is None or row is None or not clients.may_use(session.person, row.application):
        raise EffectConflict(_("You don't have permission to connect this device."), final=True)
    if row.application.flows.get("device_code", decision.flow) != decision.flow:
        raise EffectConflict(_("This application requires a different way to sign in."), final=True)
    values = {
        "person": session.person,
        "methods": session.methods,
        "authenticated_at": session.authenticated_at,
        "scopes": [scope for scope in row.scopes if scope in decision.scopes],
    }
    _decide(decision.device, DeviceState.APPROVED, **values)
    _publish("device.approved", row, actor=session.person.username)


def deny(decision: DenyDevice) -> None:
    """Change ``pending`` to ``denied``; raise EffectConflict when it is no longer pending."""
    session, row = sessions.find_by_id(decision.session), _row(decision.device)
    if session is None or row is None:
        raise EffectConflict(_("You don't have permission to approve or deny this device."), final=True)
    _decide(decision.device, DeviceState.DENIED, person=session.person)
    _publish("device.denied", row, actor=session.person.username)


def find_for_client(application: Application, device_code: str, issuer: str) -> DeviceCode:
    """Return the row of this client's device code; raise InvalidGrant.

    The code of another client or tenant does not exist (D14, D25).
    """
    row = DeviceCode.objects.filter(
        device_code_hash=digest(device_code), application=application, issuer=issuer
    ).first()
    if row is None:
        throttling.charge_unknown_device_code(current_origin().address)
        raise InvalidGrant
    row.application = application
    return row


def current_state(row: DeviceCode) -> DeviceState:
    """Return the current state.

    Expiry is evaluated on each read and does not depend on the sweep.
    """
    if row.state in (DeviceState.PENDING, DeviceState.APPROVED) and row.expires_at <= timezone.now():
        return DeviceState.EXPIRED
    return DeviceState(row.state)


def polled_too_early(row: DeviceCode) -> bool:
    """Record an accepted poll, or return True for one that came too early.

    The device of an early poll must wait 5 seconds longer from then on.

    The time counts from the last accepted poll, with a tolerance of one second. A rejected poll does not move
    it, so a client that respects the interval is always served. The time of the last poll is in the cache:
    losing it only makes the check more lenient (D38). So a time in the future, after the clock was set back,
    counts as none.
    """
    key, now = f"device-poll:{row.pk}", timezone.now()
    last = cache.get(key)
    if last is not None and timedelta(0) <= now - last < timedelta(seconds=row.interval) - JITTER:
        DeviceCode.objects.filter(pk=row.pk, interval__lt=MAX_INTERVAL).update(
            interval=models.F("interval") + SLOW_DOWN_SECONDS
        )
        return True
    cache.set(key, now, timeout=row.interval * 2 + 60)
    return False


def redeem(row: DeviceCode, family: Any, now: datetime) -> None:
    """Change ``approved`` to ``redeemed`` for exactly one of any number of concurrent requests (D24).

    Raises InvalidGrant for the others.
    """
    open_rows = DeviceCode.objects.filter(pk=row.pk, state=DeviceState.APPROVED, expires_at__gt=now)
    if not open_rows.update(state=DeviceState.REDEEMED, redeemed_at=now, family=family):
        raise InvalidGrant
    _publish("device.redeemed", row, actor=row.person.username if row.person else "")


def get_previous_response(row: DeviceCode, device_code: str) -> PreviousResponse:
    """Return the response that a redeemed code received if it may be repeated (D27).

    Within the grace period, and while no token of it was used, the client lost a race or the response.
    Otherwise the device is revoked, with its tokens, and InvalidGrant is raised.
    """
    response = retries.find_repeatable_response(row.family, device_code, row.redeemed_at)
    if response is None:
        revoke(row.pk, why="device code used twice")
        raise InvalidGrant
    return response


def find_concurrent_response(row: DeviceCode, device_code: str) -> PreviousResponse | None:
    """Return the response of a concurrent request that redeemed the code first, if it may be repeated.

    Losing such a race revokes nothing.
    """
    current = DeviceCode.objects.select_related("family").filter(pk=row.pk).first()
    return (
        retries.find_repeatable_response(current.family, device_code, current.redeemed_at)
        if current
        else None
    )


@transaction.atomic
def revoke(pk: int, *, why: str, by: str = "") -> bool:
    """Change ``approved`` or ``redeemed`` to ``revoked``, with every token of the device.

    Returns whether there was anything to revoke. ``by``: the administrator who did it, "" for the protocol.
    """
    row = (
        DeviceCode.objects.filter(pk=pk)
        .select_related("family__person", "family__application", "application")
        .first()
    )
    revocable = DeviceCode.objects.filter(pk=pk, state__in=(DeviceState.APPROVED, DeviceState.REDEEMED))
    if row is None or not revocable.update(state=DeviceState.REVOKED):
        return False
    if row.family:
        tokens.revoke_family(row.family, why=why)
    _publish("device.revoked", row, why=why, **({"actor": by} if by else {}))
    return True


@transaction.atomic
def deny_pending(pk: int, *, by: str, why: str) -> bool:
    """Change ``pending`` to ``denied`` for an administrator, and return whether it was still pending."""
    row, now = _row(pk), timezone.now()
    waiting_rows = DeviceCode.objects.filter(pk=pk, state=DeviceState.PENDING, expires_at__gt=now)
    if row is None or not waiting_rows.update(state=DeviceState.DENIED, decided_at=now):
        return False
    _publish("device.denied", row, actor=by, why=why)
    return True


@transaction.atomic
def expire_all(*, why: str) -> int:
    """Expire every device that is not redeemed, and return how many.

    This is for codes that can no longer be trusted.
    """
    waiting_rows = DeviceCode.objects.filter(state__in=(DeviceState.PENDING, DeviceState.APPROVED))
    expired = waiting_rows.update(state=DeviceState.EXPIRED, expires_at=timezone.now())
    publish("device.all_dropped", why=why, count=expired)
    return expired


def expire_overdue(now: datetime, grace: timedelta, batch: int = 200) -> int:
    """Mark one batch of overdue codes as expired and delete one whose grace period is over.

    Returns how many rows were changed.

    Until it is deleted a code is reported as expired, after that as unknown (D37). A redeemed code is stored
    as long as its token family, so that the device can be inspected and revoked, and reuse of the code is
    detected (D27).
    """
    overdue = DeviceCode.objects.filter(
        state__in=(DeviceState.PENDING, DeviceState.APPROVED), expires_at__lte=now
    )
    marked = _mark_expired(overdue, batch)
    outdated = DeviceCode.objects.filter(state__in=_CLOSED, expires_at__lte=now - grace, family=None)
    deletable = list(outdated.values_list("pk", flat=True)[:batch])
    return marked + (DeviceCode.objects.filter(pk__in=deletable).delete()[0] if deletable else 0)


def _publish(kind: str, row: DeviceCode, **members: Any) -> None:
    """Publish an event on the device's topic.

    Anyone can start a device, so the number of those events is limited.
    """
    publish_event = publish_bounded if kind == "device.started" else publish
    publish_event(
        kind, target=f"device {row.pk}", application=row.application.name, topic=topic_of(row.pk), **members
    )


@transaction.atomic
def _mark_expired(overdue: models.QuerySet[DeviceCode], batch: int) -> int:
    """Mark the open codes of a batch as expired and publish an event for each of them.

    Rows that are locked by another request or worker are skipped.
    """
    stale = list(overdue.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    if not stale:
        return 0
    rows = DeviceCode.objects.filter(pk__in=stale)
    rows.update(state=DeviceState.EXPIRED)
    marked = rows.values_list("pk", "application__name")
    publish_bulk("device.expired", [(f"device {pk}", name, topic_of(pk)) for pk, name in marked])
    return len(marked)


def _save_with_free_code(row: DeviceCode, length: int) -> str:
    # a collision has a probability of about (live codes) / 20⁸; eight in a row do not happen
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


def _decide(pk: int, state: DeviceState, **values: Any) -> None:
    now = timezone.now()
    if not DeviceCode.objects.filter(pk=pk, state=DeviceState.PENDING, expires_at__gt=now).update(
        state=state, decided_at=now, **values
    ):
        raise EffectConflict(
            _("This code was already used or has expired. Start again on your device."), final=True
        )


def _row(pk: int) -> DeviceCode | None:
    return DeviceCode.objects.filter(pk=pk).select_related("application").first()


def _waiting(rows: models.QuerySet[DeviceCode]) -> PendingDevice | None:
    row = (
        rows.filter(state=DeviceState.PENDING, expires_at__gt=timezone.now(), application__is_active=True)
        .select_related("application")
        .first()
    )
    if row is None:
        return None
    return PendingDevice(
        row.pk, row.application, tuple(row.scopes), row.address, row.agent, row.label, row.created_at
    )
