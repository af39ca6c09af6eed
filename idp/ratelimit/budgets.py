"""Budgets: limits on attempts within a sliding window, charged before the attempt is evaluated.

A budget of ``limit`` attempts has that many slots; each attempt occupies one until its window is over. So no
window of that length, wherever it begins, ever contains more than ``limit`` attempts. Two attempts that race
for the last slot meet at the table's unique constraint, and one of them is refused. Attempts from further in
the future than clocks may differ do not count: after the clock was set back, no one waits until that time
comes again.
"""

import ipaddress
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from idp.foundation import addresses
from idp.foundation.clocks import LEEWAY
from idp.foundation.sealing import mac
from idp.ratelimit.models import Attempt
from idp.tenancy.scope import current_tenant

# the longest wait for the results of other attempts, in seconds, because it occupies a thread of the server
MAX_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.05
# a /48 contains 65,536 /64, so the wider networks have larger budgets of their own
_PREFIXES = ((64, 1), (56, 4), (48, 16))


@dataclass(frozen=True)
class Budget:
    """``limit`` attempts in any ``window``.

    ``free``: from this many attempts on, each further one must wait twice as long as the one before
    (exponential back-off, 1 s at first, a quarter of the window at most). ``refuses`` False: never refuses an
    attempt, and is only queried for whether it is exhausted.
    """

    name: str
    limit: int
    window: timedelta
    free: int | None = None
    refuses: bool = True

    def wait(self, taken: int) -> timedelta:
        """Return the delay between the last of ``taken`` attempts and the next one."""
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
        """Return what is stored instead of the key: addresses and names are not stored in clear text."""
        return mac("budget", f"{self.budget.name}\0{self.key}")


@dataclass(frozen=True)
class Exhausted:
    """A refused attempt: nothing was charged, and the budget refuses attempts until ``until``."""

    budget: Budget
    until: datetime

    def message(self, now: datetime) -> str:
        """Return the message with the remaining minutes.

        Callers that know the reader's time zone can show ``until`` itself.
        """
        minutes = max(1, -int((now - self.until).total_seconds() // 60))
        when = ngettext("Try again in %(n)d minute.", "Try again in %(n)d minutes.", minutes) % {"n": minutes}
        return gettext("Too many attempts.") + " " + when


class _Taken(NamedTuple):
    slot: int
    at: datetime
    expires_at: datetime
    judged: bool


class _Refused(Exception):
    def __init__(self, exhausted: Exhausted, *, final: bool) -> None:
        self.exhausted, self.final = exhausted, final


def charge(spends: Iterable[Spend]) -> list[int] | Exhausted:
    """Charge one attempt to each budget, or none at all; return the receipts for :func:`refund`."""
    try:
        return _charge(spends, judged=True)
    except _Refused as refused:
        return refused.exhausted


def reserve(spends: Sequence[Spend]) -> list[int] | Exhausted:
    """Charge an attempt that is about to be evaluated; report the result to :func:`checkpoint`.

    Where only attempts that are still being evaluated would refuse it, it waits for their results: two
    seconds at most, and only outside of a transaction. So many right answers at once all succeed, and many
    wrong ones are still no more than the limit.
    """
    deadline = time.monotonic() + (0 if connection.in_atomic_block else MAX_WAIT_SECONDS)
    while True:
        try:
            return _charge(spends, judged=False)
        except _Refused as refused:
            if refused.final or time.monotonic() >= deadline:
                return refused.exhausted
        time.sleep(_POLL_SECONDS)


def settle(receipts: list[int], *, succeeded: bool) -> None:
    """End a reservation: a right attempt costs nothing, a wrong one counts until its window is over."""
    if succeeded:
        refund(receipts)
    elif receipts:
        Attempt.objects.filter(pk__in=receipts).update(judged=True)


def refund(receipts: list[int]) -> None:
    """Refund what :func:`charge` took, and nothing else: a success never erases earlier failures."""
    if receipts:
        Attempt.objects.filter(pk__in=receipts).delete()


def exhausted_until(spend: Spend) -> datetime | None:
    """Return until when this budget refuses attempts, or None; nothing is charged."""
    now = timezone.now()
    return _refusal(spend.budget, _taken(spend, now), now)


def address_key(address: str) -> str:
    """Return the address as budgets count it: IPv4 in full, IPv6 by its /64.

    One household or server has a /64 to itself. All unreadable addresses count together.
    """
    ip = addresses.parse(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip or addresses.UNKNOWN)


def same_network(one: str, other: str) -> bool:
    """Return whether two addresses belong to one household or server.

    An unreadable address is in no network.
    """
    return addresses.parse(one) is not None and address_key(one) == address_key(other)


def network_spends(budget: Budget, address: str, key: str = "") -> tuple[Spend, ...]:
    """Return what one attempt from this address costs.

    For IPv6 it counts for its /64, and in larger budgets also for its /56 and its /48.
    """
    ip = addresses.parse(address)
    if not isinstance(ip, ipaddress.IPv6Address):
        return (Spend(budget, key + address_key(address)),)
    networks = (
        (str(ipaddress.ip_network((ip, length), strict=False)), factor) for length, factor in _PREFIXES
    )
    return tuple(
        Spend(replace(budget, limit=budget.limit * factor), key + network) for network, factor in networks
    )


def network_ranges(address: str) -> list[tuple[str, int]]:
    """Return the networks of the address as text, each with its multiple of the first one's limit.

    The text of a wider network is a prefix of those within it: IPv4 and unreadable addresses in full, IPv6 as
    16, 14 and 12 hexadecimal digits.
    """
    if not address:
        return [("", 1)]
    ip = addresses.parse(address)
    if not isinstance(ip, ipaddress.IPv6Address):
        return [(address_key(address), 1)]
    digits = ip.exploded.replace(":", "")
    return [(digits[: length // 4], factor) for length, factor in _PREFIXES]


def sweep(now: datetime, batch: int = 1000) -> int:
    """Delete one batch of attempts that no longer count, and return how many.

    It skips locked rows, so that it never delays a charge.
    """
    with transaction.atomic():
        free = Attempt.objects.select_for_update(skip_locked=True).filter(expires_at__lt=now)
        stale = list(free.values_list("pk", flat=True)[:batch])
        return Attempt.objects.filter(pk__in=stale).delete()[0] if stale else 0


def _charge(spends: Iterable[Spend], *, judged: bool) -> list[int]:
    with transaction.atomic():
        return [receipt for spend in spends if (receipt := _take(spend, judged=judged))]


def _take(spend: Spend, *, judged: bool) -> int | None:
    # each lost race means that another attempt took a slot, so this terminates
    for _ in range(spend.budget.limit + 1):
        now = timezone.now()
        taken = _taken(spend, now)
        if until := _refusal(spend.budget, taken, now):
            if spend.budget.refuses:
                final = _refusal(spend.budget, [each for each in taken if each.judged], now) is not None
                raise _Refused(Exhausted(spend.budget, until), final=final)
            return None
        if receipt := _occupy(spend, _free_slot(taken), now, judged=judged):
            return receipt
    if not spend.budget.refuses:
        return None
    raise _Refused(Exhausted(spend.budget, timezone.now() + timedelta(seconds=1)), final=False)


def _taken(spend: Spend, now: datetime) -> list[_Taken]:
    rows = Attempt.objects.filter(bucket=spend.bucket, expires_at__gt=now, at__lte=now + LEEWAY)
    return [_Taken(*row) for row in rows.order_by("at").values_list("slot", "at", "expires_at", "judged")]


def _refusal(budget: Budget, taken: list[_Taken], now: datetime) -> datetime | None:
    if len(taken) >= budget.limit:
        return taken[len(taken) - budget.limit].expires_at
    ready = taken[-1].at + budget.wait(len(taken)) if taken else now
    return ready if ready > now else None


def _free_slot(taken: list[_Taken]) -> int:
    used = {each.slot for each in taken}
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def _occupy(spend: Spend, slot: int, now: datetime, *, judged: bool) -> int | None:
    expires = now + spend.budget.window
    free = Q(expires_at__lte=now) | Q(at__gt=now + LEEWAY)
    Attempt.objects.filter(free, bucket=spend.bucket, slot=slot).delete()
    values = {"bucket": spend.bucket, "slot": slot, "at": now, "expires_at": expires, "judged": judged}
    try:
        with transaction.atomic():  # a savepoint: losing the slot must not break the outer transaction
            return Attempt.objects.create(tenant=current_tenant(), **values).pk
    except IntegrityError:
        return None
