"""The runs in progress of a flow, the funnel of its steps, and the inspection of one run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from flows.conditions.presets import describe_condition
from flows.documents.listings import RUNS
from flows.documents.published import layout_of
from flows.documents.versions import NoSuchVersion, version_of
from flows.editing.revisions import list_revisions
from flows.engine.context import topic_of
from flows.engine.executor import NoSuchRun
from flows.facts import BrokenFlow
from flows.simulation.funnel import WHOLE_RUN, FunnelCount, funnel, private_steps
from flows.simulation.inspector import Inspection, StepTrace, inspect_run
from idp.foundation.listing import ListQuery
from web.console.builder.cards import stage_title
from web.console.builder.revisions import RequestedRevision, flow_title
from web.console.frame import ConsolePage, render_page
from web.console.objects.history import history
from web.console.plain_values import format_value
from web.console.requests import ConsoleRequest

_MAX_RUNS = 50
_DECISIONS = {
    "done": ("good", gettext_lazy("Passed")),
    "passed over": ("over", gettext_lazy("Skipped")),
    "known before": ("good", gettext_lazy("Already done in this session")),
    "entered": ("good", gettext_lazy("Entered")),
    "refused": ("bad", gettext_lazy("Failed")),
}
_NODE_TITLES = {"group": gettext_lazy("Section"), "flow": gettext_lazy("Sub-flow")}
_BAR_WIDTH = 100  # in the units of the view box


@dataclass(frozen=True)
class FunnelBar:
    """What happened to the runs that reached a step.

    ``parts``: finished, refused and left, each with its start and its width as SVG numbers.
    """

    step: str
    title: Any
    count: FunnelCount
    parts: list[tuple[str, str, str]]
    median: str


def runs(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the runs of a flow that are in progress, and the funnel of one version."""
    choices = list_revisions(name)
    if not choices:
        raise Http404
    numbers = [each for each in choices if each.label.isdigit()]
    which = request.GET.get("which", "") or next(
        (each.label for each in numbers if each.live), numbers[0].label if numbers else ""
    )
    if which and which not in [each.label for each in numbers]:
        raise Http404
    # a role without runs.inspect only sees their number
    page = RUNS.page(ListQuery(filters={"flow": name, "over": "no"}, size=_MAX_RUNS))
    people = request.may("people.see")
    bars = _bars(name, int(which), people=people) if which else []
    context: dict[str, Any] = {
        **RequestedRevision(name, which, numbers).template_context,
        "runs": page.rows if request.may("runs.inspect") else [],
        "total": page.total,
        "whole": bars[0] if bars else None,
        "bars": bars[1:],
        "people": people,
    }
    return render_page(
        request, "console/simulation/runs.html", title=flow_title(name), part=_("Activity"), **context
    )


def run(request: ConsoleRequest, identifier: str) -> HttpResponse:
    """Render one run: its path with the reasons, and its facts without secrets.

    The inspection is recorded as an event.
    """
    try:
        inspection = inspect_run(
            identifier, by=request.person.username, may_view_people=request.may("people.see")
        )
    except NoSuchRun:
        raise Http404 from None
    context: dict[str, Any] = {
        "found": inspection,
        "path": [_passage_context(each) for each in inspection.path],
        "facts": list(_facts(inspection)),
        "history": history(request, {"topic": topic_of(identifier)}),
    }
    return render_page(
        request,
        "console/simulation/run.html",
        title=_("Run of %(flow)s") % {"flow": flow_title(inspection.flow)},
        belongs_to=identifier[:8],
        **context,
    )


def _bars(name: str, number: int, *, people: bool) -> list[FunnelBar]:
    """Return the bar of the whole run first, then those of the steps in the order of the flow.

    Steps that are counted but no longer in the flow come last.
    """
    try:
        version = version_of(name, number)
        hidden = frozenset() if people else private_steps(version)
        steps = {
            node.id: node.definition.stage
            for node in layout_of(version).nodes
            if node.definition.stage and node.id not in hidden
        }
    except NoSuchVersion:
        raise Http404 from None
    except BrokenFlow:
        steps = {}
    counts = funnel(version, may_view_people=people)
    order = [WHOLE_RUN, *steps, *sorted(step for step in counts if step not in steps and step != WHOLE_RUN)]
    most = max((count.reached for count in counts.values()), default=0)
    return [
        _bar(step, steps.get(step), counts.get(step, FunnelCount()), most)
        for step in order
        if step == WHOLE_RUN or counts
    ]


def _bar(step: str, kind: str | None, count: FunnelCount, most: int) -> FunnelBar:
    parts, begins = [], 0.0
    for fate, number in (("good", count.finished), ("bad", count.refused), ("left", count.left)):
        width = number / most * _BAR_WIDTH if most else 0.0
        parts.append((fate, f"{begins:.2f}", f"{width:.2f}"))
        begins += width
    return FunnelBar(
        step,
        stage_title(kind) if kind else step,
        count,
        parts,
        _format_duration(count.median_seconds) if count.finished else "",
    )


def _format_duration(seconds: int) -> str:
    if seconds < 120:
        return _("≤ %(n)d s") % {"n": seconds}
    return _("≤ %(n)d min") % {"n": -(-seconds // 60)}


def _passage_context(passage: StepTrace) -> dict[str, Any]:
    mark, decision = _DECISIONS.get(passage.decision, ("here", ""))
    read = passage.condition or {}
    took = (
        (passage.decided - passage.asked) / 1000
        if passage.asked is not None and passage.decided is not None
        else None
    )
    return {
        "passage": passage,
        "title": _NODE_TITLES.get(passage.stage) or stage_title(passage.stage),
        "mark": mark,
        "decision": decision,
        "when": describe_condition(str(read["when"])) if read.get("when") else [],
        "applied": read.get("applied"),
        "values": [(name, format_value(value)) for name, value in read.get("values", {}).items()],
        "asked": f"{passage.asked / 1000:.1f} s" if passage.asked is not None else "",
        "took": f"{took:.1f} s" if took is not None else "",
    }


def _facts(inspection: Inspection) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for name, fact in inspection.facts.items():
        members = fact.items() if isinstance(fact, Mapping) else [("", fact)]
        yield name, [(str(key), format_value(value)) for key, value in members]


PAGES = (
    ConsolePage("flows/<slug:name>/runs", runs, "flow-runs", view_operation="runs.count"),
    ConsolePage("runs/<slug:identifier>", run, "run", view_operation="runs.inspect"),
)
