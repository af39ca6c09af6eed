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
    good: bool = say(description="false: the more of them, the worse.")
    kinds: list[str] = say(description="The kinds of events that are counted together.")
    total: int
    counts: list[int] = say(
        description="One for each stretch of time, the oldest first; the last one is under way."
    )


class Statistics(BaseModel):
    """How often what happened."""

    over: Literal["hour", "day"]
    begins: datetime = say(description="The first moment of the first stretch.")
    seconds: int = say(description="How long a stretch is.")
    series: list[StatisticsSeries]
    waiting: int | None = say(
        description="Devices on which nobody has decided yet; null: your role does not see devices."
    )


class RetiringKey(BaseModel):
    """A signing key that signs no more and still verifies."""

    kid: str
    until: datetime


class Concerns(BaseModel):
    """What wants to be looked at. null: your role does not see that."""

    unguarded: list[str] | None = say(description="Who has a role and a password alone, twenty at most.")
    drifted: int | None = say(
        description="Objects that are not as their blueprint says, when that was last compared."
    )
    retiring_keys: list[RetiringKey] | None
    undelivered_mails: int | None = say(description="Mails that were given up in the last seven days.")
    failing_blueprints: list[str] | None = say(
        description="Of the whole installation: on the default tenant's host, for its owner."
    )


@calls.add(
    "GET", "/statistics", needs="overview.see", name="get-statistics", answers={200: Statistics}, fails=(400,)
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


@calls.add("GET", "/concerns", needs="overview.see", name="get-concerns", answers={200: Concerns})
def get_concerns(request: ApiRequest) -> HttpResponse:
    """What wants to be looked at, as on the first page of the console."""
    found = concerns(lambda operation: may(request.auth, operation))
    return answer({name: told(found[name]) if name in found else None for name, told in _TOLD.items()})


router = calls.router
