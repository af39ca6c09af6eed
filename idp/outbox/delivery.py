"""The outbox: work is a row in the transaction that causes it, and is delivered later, at least once.

A worker claims one row at a time by compare-and-set on the number of attempts and holds it for ``LEASE``. A
worker that is killed loses nothing, and one that comes back late finds that its claim is no longer the
latest. What is delivered twice after a crash has the same key both times.
"""

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from idp.foundation.clocks import LEEWAY
from idp.foundation.errors import message_of
from idp.outbox.models import Delivery, DeliveryState
from idp.tenancy.scope import current_tenant

LEASE = timedelta(minutes=3)  # longer than any handler may take
MAX_ATTEMPTS = 12
RETENTION = {DeliveryState.DONE: timedelta(days=7), DeliveryState.FAILED: timedelta(days=30)}
_FIRST_DELAY, _MAX_DELAY = timedelta(seconds=5), timedelta(hours=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parcel:
    """What a handler receives; ``key`` is the same at every attempt."""

    key: str
    posted_at: datetime
    payload: Mapping[str, Any] = field(repr=False)


class UnknownKind(Exception):
    """No handler is named for this kind in settings.OUTBOX_HANDLERS."""


class DeliveryFailed(Exception):
    """A delivery failed; its message is logged and must not contain anything of the payload."""


class Undeliverable(DeliveryFailed):
    """A delivery failed for good, so no further attempt is made."""


def post(kind: str, payload: Mapping[str, Any], *, lifetime: timedelta | None = None) -> str:
    """Post ``payload`` (JSON) to the handler of ``kind`` in the caller's transaction, and return the key.

    ``lifetime``: after that time it is no longer delivered. Raises UnknownKind.
    """
    if kind not in settings.OUTBOX_HANDLERS:
        raise UnknownKind(kind)
    now = timezone.now()
    row = Delivery(tenant=current_tenant(), kind=kind, payload=json.dumps(payload), posted_at=now, due_at=now)
    row.expires_at = now + lifetime if lifetime else None
    row.save(force_insert=True)
    return row.key


def deliver_due(most: int = 50, seconds: float = 10) -> int:
    """Attempt up to ``most`` of the tenant's due deliveries, and return how many were attempted.

    None is started after ``seconds``. Do not call it inside a transaction: a handler may take long, and the
    result of each row is written by itself.
    """
    end, tried = time.monotonic() + seconds, 0
    due = Delivery.objects.filter(_due(timezone.now()), state=DeliveryState.WAITING).order_by("due_at", "pk")
    for pk, attempts in list(due.values_list("pk", "attempts")[:most]):
        if time.monotonic() >= end:
            break
        if _claim(pk, attempts):
            _attempt(pk, attempts + 1)
            tried += 1
    return tried


def retry_delay(attempts: int) -> timedelta:
    """Return the delay after this many failed attempts: 5 s, doubling, an hour at most."""
    return min(_FIRST_DELAY * (1 << attempts - 1), _MAX_DELAY)


def failure_summary(since: datetime) -> tuple[int, str]:
    """Return how many deliveries were given up since then, and why the last one was.

    The reason contains nothing of the payload.
    """
    rows = Delivery.objects.filter(state=DeliveryState.FAILED, ended_at__gte=since)
    newest = rows.order_by("-ended_at").values_list("why", flat=True).first()
    return rows.count(), newest or ""


def sweep(now: datetime, batch: int = 1000) -> int:
    """Delete one batch of rows that ended long ago, and return how many."""
    deleted = 0
    for state, retention in RETENTION.items():
        old = list(
            Delivery.objects.filter(state=state, ended_at__lt=now - retention).values_list("pk", flat=True)[
                :batch
            ]
        )
        deleted += Delivery.objects.filter(pk__in=old).delete()[0] if old else 0
    return deleted


def _due(now: datetime) -> Q:
    """Return the condition for due rows.

    First attempts are due too, and rows further ahead than any delay: the clock was set back after they were
    written.
    """
    return Q(due_at__lte=now) | Q(attempts=0) | Q(due_at__gt=now + _MAX_DELAY + LEEWAY)


def _claim(pk: int, attempts: int) -> bool:
    now = timezone.now()
    free = Delivery.objects.filter(_due(now), pk=pk, state=DeliveryState.WAITING, attempts=attempts)
    return bool(free.update(attempts=attempts + 1, due_at=now + LEASE))


def _attempt(pk: int, attempt: int) -> None:
    """Make one attempt; for every exception of the handler, the row records the result."""
    try:
        row = Delivery.objects.get(pk=pk)
        _hand_over(row, attempt)
    except Undeliverable as error:
        _end(pk, attempt, DeliveryState.FAILED, str(error))
    except DeliveryFailed as error:
        _retry(pk, attempt, str(error))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # not its message, which might repeat the payload
        _retry(pk, attempt, f"{type(error).__name__} in {frame.filename}:{frame.lineno}")
    else:
        _end(pk, attempt, DeliveryState.DONE)


def _hand_over(row: Delivery, attempt: int) -> None:
    if row.expires_at and row.expires_at <= timezone.now():
        raise Undeliverable("it is too late for it")
    if attempt > MAX_ATTEMPTS:
        raise Undeliverable("the worker died at the last attempt")
    _handler(row.kind)(Parcel(row.key, row.posted_at, json.loads(row.payload)))


def _handler(kind: str) -> Callable[[Parcel], None]:
    try:
        return cast(Callable[[Parcel], None], import_string(settings.OUTBOX_HANDLERS[kind]))
    except (KeyError, ImportError) as error:
        raise DeliveryFailed(f"{message_of(UnknownKind)} ({type(error).__name__})") from None


def _retry(pk: int, attempt: int, why: str) -> None:
    if attempt >= MAX_ATTEMPTS:
        return _end(pk, attempt, DeliveryState.FAILED, why)
    due = timezone.now() + retry_delay(attempt)
    Delivery.objects.filter(pk=pk, state=DeliveryState.WAITING, attempts=attempt).update(
        due_at=due, why=why[:200]
    )
    log.warning(
        "outbox.not_delivered",
        extra={"delivery": pk, "attempt": attempt, "why": why, "next": due.isoformat()},
    )
    return None


def _end(pk: int, attempt: int, state: DeliveryState, why: str = "") -> None:
    claimed = Delivery.objects.filter(pk=pk, state=DeliveryState.WAITING, attempts=attempt)
    if not claimed.update(state=state, ended_at=timezone.now(), payload="", why=why[:200]):
        log.warning("outbox.claim_lost", extra={"delivery": pk, "attempt": attempt})
    elif state == DeliveryState.FAILED:
        log.error("outbox.failed", extra={"delivery": pk, "attempt": attempt, "why": why})
