"""What an overview shows: how often what happened, and what wants to be looked at."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from django.http import HttpResponse
from pydantic import BaseModel
from pydantic import Field as say

from idp.accounts.roles import may
from idp.devices.timeline import waiting
from idp.events.statistics import SERIES, SPANS, chart
from web.administration.alerts import concerns
from web.api.admin.operations import Calls
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer

calls = Calls("overview")
_TOLD: Mapping[str, Callable[[Any], Any]] = {
    "unguarded": list,
    "drifted": len,
    "retiring_keys": lambda found: [{"kid": kid, "until": until} for kid, until in found],
    "undelivered_mails": lambda found: found[0],
    "failing_blueprints": lambda found: [each.blueprint for each in found],
}


class StatisticsSeries(BaseModel):
    """One line of the chart."""

    name: str
    title: str
    good: bool = say(description="false: fewer is better.")
    kinds: list[str] = say(description="The event kinds that are counted together.")
    total: int
    counts: list[int] = say(
        description="One count per interval, oldest first. The last interval is still in progress."
    )


class Statistics(BaseModel):
    """Event counts over time."""

    over: Literal["hour", "day"]
    begins: datetime = say(description="The start of the first interval.")
    seconds: int = say(description="The length of an interval.")
    series: list[StatisticsSeries]
    waiting: int | None = say(description="Pending device requests. null: your role can't see devices.")


class RetiringKey(BaseModel):
    """A signing key that no longer signs, but whose signatures are still valid."""

    kid: str
    until: datetime


class Concerns(BaseModel):
    """What needs attention. null: your role can't see it."""

    unguarded: list[str] | None = say(description="People with a role and no second factor, at most 20.")
    drifted: int | None = say(
        description="Objects that have drifted from their blueprint, as of the last check."
    )
    retiring_keys: list[RetiringKey] | None
    undelivered_mails: int | None = say(description="Emails that could not be delivered in the last 7 days.")
    failing_blueprints: list[str] | None = say(
        description="For the whole installation: only on the default tenant's host, for its owner."
    )


@calls.add(
    "GET",
    "/statistics",
    needs="overview.see",
    name="get_statistics",
    title="Get statistics",
    answers={200: Statistics},
    fails=(400,),
)
def get_statistics(request: ApiRequest, over: Literal["hour", "day"] = "hour") -> HttpResponse:
    """Sign-ins, approvals, denials and failures of the last hour by the minute, or of the last day by the
    half hour.
    """
    counts = chart(SPANS[over])
    series = [
        {"name": each.name, "title": each.title, "good": each.good, "kinds": each.kinds}
        | {"total": counts.total(each.name), "counts": counts.counts[each.name]}
        for each in SERIES
    ]
    told = {"over": over, "begins": counts.begins, "seconds": counts.span.seconds, "series": series}
    return answer({**told, "waiting": waiting(0).count if may(request.auth, "devices.see") else None})


@calls.add(
    "GET",
    "/concerns",
    needs="overview.see",
    name="get_concerns",
    title="Get what needs attention",
    answers={200: Concerns},
)
def get_concerns(request: ApiRequest) -> HttpResponse:
    """Return what needs attention, as shown on the console's overview."""
    found = concerns(lambda operation: may(request.auth, operation))
    return answer({name: told(found[name]) if name in found else None for name, told in _TOLD.items()})


router = calls.router
