"""The overview: activity of the last hour or day, pending device requests, and what needs attention."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flows.documents.designations import CREDENTIAL_SETUP
from idp.devices.timeline import pending_devices
from idp.events.statistics import SERIES, SPANS, Chart, Series, build_chart
from web.administration.alerts import find_alerts
from web.console.first_steps import overview_card
from web.console.frame import ConsolePage, render_page
from web.console.requests import ConsoleRequest
from web.console.sentences import console_url

_HEIGHT = 48


@dataclass(frozen=True)
class ChartBar:
    """One bucket of a chart, in the units of the view box.

    ``height`` 0: no events.
    """

    x: int
    y: int
    height: int
    count: int
    at: datetime


@dataclass(frozen=True)
class ChartView:
    """The chart of one series.

    ``highest``: the count of its highest bar.
    """

    series: Series
    total: int
    highest: int
    width: int
    bars: tuple[ChartBar, ...]

    @property
    def url(self) -> str:
        """Return the URL of the live feed, filtered by the events of this series."""
        return f"{console_url('live')}?{urlencode({'kind': ','.join(self.series.kinds)})}"


@dataclass(frozen=True)
class Alert:
    """One entry under "Needs attention".

    ``url``: where it can be fixed, "" if there is no page for it.
    """

    title: str
    detail: str
    url: str = ""
    bad: bool = False


def overview(request: ConsoleRequest) -> HttpResponse:
    """Render the overview for every role, without what the role may not see."""
    may = request.may
    span = SPANS.get(request.GET.get("over", ""), SPANS["hour"])
    counts = build_chart(span)
    context: dict[str, Any] = {
        "span": span,
        "spans": SPANS.values(),
        "charts": [chart_view(counts, series) for series in SERIES],
        "numbers": list(_table_rows(counts)),
        "series": SERIES,
        "queue": pending_devices() if may("devices.see") else None,
        "alerts": list(_alerts(may)),
        "first_steps": overview_card(request),
    }
    return render_page(request, "console/overview.html", title=_("Overview"), **context)


def chart_view(counts: Chart, series: Series) -> ChartView:
    """Return the chart of one series; each bar is four units wide with a gap of one."""
    found = counts.counts[series.name]
    highest = max(found)
    bars = []
    for number, (count, at) in enumerate(zip(found, counts.bucket_starts(), strict=True)):
        height = max(2, round(count * _HEIGHT / highest)) if count else 0
        bars.append(ChartBar(number * 5, _HEIGHT - height, height, count, at))
    return ChartView(series, sum(found), highest, len(found) * 5 - 1, tuple(bars))


def _table_rows(counts: Chart) -> Iterator[tuple[datetime, list[int]]]:
    """Yield the chart as table rows: every bucket that has events, newest first."""
    columns = [counts.counts[series.name] for series in SERIES]
    for at, row in reversed(list(zip(counts.bucket_starts(), zip(*columns, strict=True), strict=True))):
        if any(row):
            yield at, list(row)


def _alerts(may: Any) -> Iterator[Alert]:
    for name, found in find_alerts(may).items():
        yield from _ALERT_TEXTS[name](found)


def _without_second_factor(names: Sequence[str]) -> Iterator[Alert]:
    for name in names[:3]:
        title = _("%(name)s has no second factor") % {"name": name}
        yield Alert(
            title,
            _("Ask them to set one up at %(address)s.") % {"address": reverse(CREDENTIAL_SETUP)},
            console_url("people-one", name),
        )
    if len(names) > 3:
        more = len(names) - 3
        yield Alert(
            ngettext("%(n)d more without a second factor", "%(n)d more without a second factor", more)
            % {"n": more},
            ", ".join(names[3:]),
        )


def _drifted(found: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    if found:
        title = ngettext(
            "%(n)d object has drifted from its blueprint",
            "%(n)d objects have drifted from their blueprints",
            len(found),
        )
        names = ", ".join(f"{each['kind']} {each['name']}" for each in found[:3] if each)
        yield Alert(
            title % {"n": len(found)}, names + (" …" if len(found) > 3 else ""), console_url("blueprints")
        )


def _failing(found: Sequence[Any]) -> Iterator[Alert]:
    for each in found[:3]:
        title = _("Blueprint %(name)s could not be applied") % {"name": each.blueprint}
        yield Alert(title, " ".join(map(str, each.messages[:1])), console_url("blueprints"), bad=True)


def _retiring(found: Sequence[tuple[str, datetime]]) -> Iterator[Alert]:
    for kid, until in found:
        words = {"kid": kid[:8], "at": f"{until:%F %H:%M}"}
        yield Alert(
            _("An old signing key is retiring"),
            _("Key %(kid)s… is valid until %(at)s UTC.") % words,
            console_url("keys"),
        )


def _undelivered(found: tuple[int, str]) -> Iterator[Alert]:
    count, why = found
    if count:
        title = ngettext(
            "%(n)d email could not be delivered this week",
            "%(n)d emails could not be delivered this week",
            count,
        ) % {"n": count}
        yield Alert(title, why, console_url("mails"), bad=True)


_ALERT_TEXTS: Mapping[str, Callable[[Any], Iterator[Alert]]] = {
    "failing_blueprints": _failing,
    "undelivered_mails": _undelivered,
    "drifted": _drifted,
    "unguarded": _without_second_factor,
    "retiring_keys": _retiring,
}


PAGES = (ConsolePage("", overview, "overview", view_operation="overview.see"),)
