"""Limits how many runs a network may have.

The oldest unanswered runs are deleted first; only answered ones count against others.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from flows.models import Run as RunRow
from idp.events.bus import publish_once
from idp.foundation.clocks import recent_range
from idp.foundation.errors import DomainError
from idp.ratelimit.budgets import Budget, Exhausted, Spend, charge

_A_MINUTE = timedelta(minutes=1)
_RESTARTS = Budget("run.restart", 100, timedelta(minutes=10))


class TooManyRuns(DomainError):
    """This address has too many sign-ins under way."""

    status = 429
    code = "too_many_runs"


def make_room(
    network: str, flow: str, now: datetime, *, replaced: int | None = None, enforce: bool = True
) -> None:
    """Make room for one more run of this network; raise TooManyRuns where all of its runs were answered.

    An unanswered run contains nothing worth saving and costs its owner nothing. Therefore the oldest one is
    deleted, first of those without a signed-in person. ``replaced``: a run that is about to end. ``enforce``
    False: for a run that must always be possible.
    """
    limit = settings.RUNS_PER_ADDRESS
    active = RunRow.objects.filter(network=network, ended_at=None, expires_at__gt=now).exclude(
        pk=replaced or 0
    )
    if (excess := active[: limit + 50].count() + 1 - limit) <= 0:
        return
    unanswered = active.filter(state__answered=False).order_by(F("person").asc(nulls_first=True), "pk")
    stale = list(unanswered.values_list("pk", flat=True)[:excess])
    RunRow.objects.filter(pk__in=stale, ended_at=None).delete()
    if len(stale) < excess and enforce:
        _raise_too_many(flow, "too many sign-ins are under way")


def charge_restart(network: str, flow: str) -> None:
    """Charge for a run that replaces another, whose row stays; raise TooManyRuns."""
    if isinstance(charge([Spend(_RESTARTS, network)]), Exhausted):
        _raise_too_many(flow, "too many sign-ins were started again")


def delete_surplus_runs(network: str, now: datetime) -> None:
    """Delete surplus runs of this network that ended within the last minute without an answer.

    As many of the newest ones remain as may be in progress.
    """
    ended = RunRow.objects.filter(
        network=network,
        started_at__range=recent_range(_A_MINUTE, now),
        ended_at__isnull=False,
        state__answered=False,
    )
    stale = list(ended.order_by("-pk").values_list("pk", flat=True)[settings.RUNS_PER_ADDRESS :][:100])
    if stale:
        RunRow.objects.filter(pk__in=stale).delete()


def _raise_too_many(flow: str, why: str) -> None:
    publish_once("flow.start_refused", _A_MINUTE, target=flow, why=why)
    raise TooManyRuns
