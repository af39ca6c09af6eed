"""Budgets: how many attempts within a sliding window, taken before the attempt is judged.

A budget of ``limit`` attempts has that many slots; each attempt occupies one until its window is over. So no window of
that length, wherever it begins, ever holds more than ``limit`` attempts, and two attempts that race for the last slot
meet at the table's unique constraint: one of them is refused.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from idp.ratelimit.models import Attempt
from idp.sealing import mac
from idp.tenancy.scope import current_tenant


@dataclass(frozen=True)
class Budget:
    """``limit`` attempts in any ``window``.

    ``free``: from this many attempts on, each further one must wait twice as long as the one before (exponential back-off,
    1 s at first, a quarter of the window at most). ``refuses`` False: never in anyone's way, only asked whether it is exhausted.
    """

    name: str
    limit: int
    window: timedelta
    free: int | None = None
    refuses: bool = True

    def wait(self, taken: int) -> timedelta:
        """How long after the last of ``taken`` attempts the next one may come."""
        if self.free is None or taken < self.free:
            return timedelta(0)
        return min(timedelta(seconds=2 ** min(taken - self.free, 20)), self.window / 4)


@dataclass(frozen=True)
class Spend:
    """One attempt against ``budget`` on behalf of ``key`` (a person, an address, a browser)."""

    budget: Budget
    key: str

    @property
    def bucket(self) -> str:
        """What is stored instead of the key: addresses and names are not kept in clear."""
        return mac("budget", f"{self.budget.name}\0{self.key}")


@dataclass(frozen=True)
class Exhausted:
    """A refused attempt: nothing was taken, and ``until`` then the answer stays the same."""

    budget: Budget
    until: datetime


class _Refused(Exception):
    def __init__(self, exhausted: Exhausted) -> None:
        self.exhausted = exhausted


def charge(spends: Iterable[Spend]) -> list[int] | Exhausted:
    """Takes one attempt from each budget, or none at all; answers the receipts for :func:`give_back`."""
    try:
        with transaction.atomic():
            return [receipt for spend in spends if (receipt := _take(spend))]
    except _Refused as refused:
        return refused.exhausted


def give_back(receipts: list[int]) -> None:
    """Frees what :func:`charge` took, and nothing else: a success never wipes the failures before it."""
    if receipts:
        Attempt.objects.filter(pk__in=receipts).delete()


def exhausted_until(spend: Spend) -> datetime | None:
    """Until when this budget refuses; None while it would not. Takes nothing."""
    taken = _taken(spend, timezone.now())
    return _refusal(spend.budget, taken, timezone.now())


def address_key(address: str) -> str:
    """The address as budgets count it: IPv4 whole, IPv6 by its /64, which one household or server has to itself."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def sweep(now: datetime, batch: int = 1000) -> int:
    """Deletes one batch of attempts that no longer count; answers how many. It waits for nobody, so that no charge waits for it."""
    with transaction.atomic():
        free = Attempt.objects.select_for_update(skip_locked=True).filter(expires_at__lt=now)
        stale = list(free.values_list("pk", flat=True)[:batch])
        return Attempt.objects.filter(pk__in=stale).delete()[0] if stale else 0


def _take(spend: Spend) -> int | None:
    for _ in range(spend.budget.limit + 1):  # each lost race means that somebody else took a slot, so this ends
        now = timezone.now()
        taken = _taken(spend, now)
        if until := _refusal(spend.budget, taken, now):
            if spend.budget.refuses:
                raise _Refused(Exhausted(spend.budget, until))
            return None
        if receipt := _occupy(spend, _free_slot(taken), now):
            return receipt
    if not spend.budget.refuses:
        return None
    raise _Refused(Exhausted(spend.budget, timezone.now() + timedelta(seconds=1)))


def _taken(spend: Spend, now: datetime) -> list[tuple[int, datetime, datetime]]:
    rows = Attempt.objects.filter(bucket=spend.bucket, expires_at__gt=now)
    return list(rows.order_by("at").values_list("slot", "at", "expires_at"))


def _refusal(budget: Budget, taken: list[tuple[int, datetime, datetime]], now: datetime) -> datetime | None:
    if len(taken) >= budget.limit:
        return taken[len(taken) - budget.limit][2]
    ready = taken[-1][1] + budget.wait(len(taken)) if taken else now
    return ready if ready > now else None


def _free_slot(taken: list[tuple[int, datetime, datetime]]) -> int:
    used = {slot for slot, _, _ in taken}
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def _occupy(spend: Spend, slot: int, now: datetime) -> int | None:
    expires = now + spend.budget.window
    Attempt.objects.filter(bucket=spend.bucket, slot=slot, expires_at__lte=now).delete()
    try:
        with transaction.atomic():  # a savepoint: losing the slot must not spoil the transaction around it
            return Attempt.objects.create(tenant=current_tenant(), bucket=spend.bucket, slot=slot, at=now, expires_at=expires).pk
    except IntegrityError:
        return None
