"""Format flows, dry runs and counts for a terminal of 100 columns."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from blueprints.files.emit import order_keys
from flows.documents.document import FlowDocument
from flows.documents.layout import Layout
from flows.simulation.funnel import WHOLE_RUN, FunnelCount
from flows.simulation.inspector import Inspection
from flows.simulation.simulate import StepReport
from idp.foundation.text import printable_line
from idp.foundation.yaml_text import write

WIDTH = 100
_GAP = "  "


def table(*rows: Sequence[Any]) -> str:
    """Return the rows as aligned columns, of which the widest are cut to fit.

    The first row has the headings.
    """
    texts = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    lines = (
        _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in texts
    )
    return "\n".join(line.rstrip() for line in lines)


def format_time(at: datetime | None) -> str:
    """Return a time in UTC, to the minute; "" for None."""
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def flow_yaml(document: Mapping[str, Any]) -> str:
    """Return a flow as it would be in a blueprint."""
    return write(order_keys(FlowDocument, document)).rstrip()


def format_steps(reports: Sequence[StepReport]) -> Iterator[tuple[str, str]]:
    """Yield (decision, text) for each step of a dry run, with the details in indented lines."""
    width = max((len(report.step) for report in reports), default=0)
    for report in reports:
        kind = f" ({report.stage})" if report.stage and report.stage != report.step else ""
        header = f"{report.step or '—':{width}}  {report.decision}{kind}"
        yield report.decision, "\n".join([header, *_indented(_details(report))])


def _details(report: StepReport) -> Iterator[str]:
    if report.condition:
        yield format_condition(report.condition)
    if report.shows:
        fields = ", ".join(field["name"] for field in report.shows["fields"])
        yield f"shows: {report.shows['title']}" + (f", fields: {fields}" if fields else "")
    if report.learned:
        yield f"result: {', '.join(report.learned)}"
    if report.outputs:
        yield "sets: " + _pairs(report.outputs)
    for effect in report.effects:
        yield f"effect: {effect['effect']} " + _pairs(
            {name: value for name, value in effect.items() if name != "effect"}
        )
    if report.message:
        yield f"message: {report.message}" if report.decision not in ("broken", "leaves") else report.message


def format_condition(read: Mapping[str, Any]) -> str:
    """Return why a step applied or did not: the condition with the values that it read."""
    values = _pairs(read["values"])
    return f"when {read['when']} is {str(read['applied']).lower()}" + (f", with {values}" if values else "")


def format_funnel(layout: Layout, counts: Mapping[str, FunnelCount]) -> str:
    """Return the funnel of a version as a table, in the order of its steps."""
    steps = [box.id for box in layout.nodes if box.definition.stage]
    order = [WHOLE_RUN, *steps, *(step for step in counts if step not in (WHOLE_RUN, *steps))]
    rows = []
    for step in order:
        count = counts.get(step, FunnelCount())
        took = f"≤ {format_duration(count.median_seconds)}" if count.finished else ""
        rows.append([step or "(whole run)", count.reached, count.finished, count.refused, count.left, took])
    return table(["step", "reached", "completed", "failed", "abandoned", "median time"], *rows)


def format_duration(seconds: int) -> str:
    """Return a duration as ``45 s`` or ``8 min 32 s``."""
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 120 else f"{seconds} s"


def format_run(found: Inspection) -> Iterator[str]:
    """Yield the lines about a run: its flow and state, its path, its facts."""
    yield f"run {found.run} of {found.flow}, version {found.version}"
    under_way = f"in progress at {found.at or 'no step'}, expires {format_time(found.expires_at)} UTC"
    yield f"started {format_time(found.started_at)} UTC, " + (
        f"ended {format_time(found.ended_at)} UTC" if found.ended_at else under_way
    )
    if found.end:
        yield printable_line(f"end: {found.end}" + (f", {found.message}" if found.message else ""))
    yield ""
    yield table(
        ["step", "stage", "decision", "asked", "took"],
        *([p.step, p.stage, p.decision, *_times(p)] for p in found.path),
    )
    for passage in found.path:
        if passage.condition:
            yield "\n".join(_indented([f"{passage.step}: {format_condition(passage.condition)}"]))
    yield ""
    yield "facts:"
    yield from _indented(
        f"{name}: {_pairs(fact) if isinstance(fact, Mapping) else fact}" for name, fact in found.facts.items()
    )


def yaml_with_comment(document: FlowDocument | Mapping[str, Any], comment: str) -> str:
    """Return a flow as YAML below a comment that identifies it."""
    return f"# {printable_line(comment)}\n" + flow_yaml(
        document.as_json() if isinstance(document, FlowDocument) else document
    )


def _times(passage: Any) -> tuple[str, str]:
    if passage.asked is None:
        return "", ""
    took = f"{(passage.decided - passage.asked) / 1000:.1f} s" if passage.decided is not None else ""
    return f"{passage.asked / 1000:.1f} s", took


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())


def _indented(lines: Any) -> list[str]:
    return [
        textwrap.fill(line, WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)
        for line in lines
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
