"""The overview: event counts over time, and the alerts."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from django.http import HttpResponse
from pydantic import BaseModel, Field

from idp.accounts.roles import may
from idp.devices.timeline import pending_devices
from idp.events.statistics import SERIES, SPANS, build_chart
from web.administration.alerts import find_alerts
from web.api.admin.operations import OperationRouter
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import json_response

operations = OperationRouter("overview")
_FORMATTERS: Mapping[str, Callable[[Any], Any]] = {
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
    good: bool = Field(description="false: fewer is better.")
    kinds: list[str] = Field(description="The event kinds that are counted together.")
    total: int
    counts: list[int] = Field(
        description="One count per interval, oldest first. The last interval is still in progress."
    )


class Statistics(BaseModel):
    """Event counts over time."""

    over: Literal["hour", "day"]
    begins: datetime = Field(description="The start of the first interval.")
    seconds: int = Field(description="The length of an interval.")
    series: list[StatisticsSeries]
    waiting: int | None = Field(description="Pending device requests. null: your role can't see devices.")


class RetiringKey(BaseModel):
    """A signing key that no longer signs, but whose signatures are still valid."""

    kid: str
    until: datetime


class AlertOverview(BaseModel):
    """What needs attention. null: your role can't see it."""

    unguarded: list[str] | None = Field(description="People with a role and no second factor, at most 20.")
    drifted: int | None = Field(
        description="Objects that have drifted from their blueprint, as of the last check."
    )
    retiring_keys: list[RetiringKey] | None
    undelivered_mails: int | None = Field(
        description="Emails that could not be delivered in the last 7 days."
    )
    failing_blueprints: list[str] | None = Field(
        description="For the whole installation: only on the default tenant's host, for its owner."
    )


@operations.add(
    "GET",
    "/statistics",
    permission="overview.see",
    name="get_statistics",
    title="Get statistics",
    responses={200: Statistics},
    errors=(400,),
)
def get_statistics(request: ApiRequest, over: Literal["hour", "day"] = "hour") -> HttpResponse:
    """Return sign-ins, approvals, denials and failures over time.

    The counts cover the last hour by the minute, or the last day by the half hour.
    """
    counts = build_chart(SPANS[over])
    series = [
        {"name": each.name, "title": each.title, "good": each.good, "kinds": each.kinds}
        | {"total": counts.total(each.name), "counts": counts.counts[each.name]}
        for each in SERIES
    ]
    data = {"over": over, "begins": counts.start, "seconds": counts.span.seconds, "series": series}
    return json_response(
        {**data, "waiting": pending_devices(0).count if may(request.auth, "devices.see") else None}
    )


@operations.add(
    "GET",
    "/alerts",
    permission="overview.see",
    name="get_alerts",
    title="Get what needs attention",
    responses={200: AlertOverview},
)
def get_alerts(request: ApiRequest) -> HttpResponse:
    """Return what needs attention, as shown on the console's overview."""
    found = find_alerts(lambda operation: may(request.auth, operation))
    return json_response(
        {name: render(found[name]) if name in found else None for name, render in _FORMATTERS.items()}
    )


router = operations.router
