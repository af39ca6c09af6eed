"""The flow builder: the drawing of a draft, and the edits that are made to it; the server draws, so it works
without scripts too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import ValidationError

from flows.documents.designations import DESIGNATIONS
from flows.documents.diff import Change as Difference
from flows.documents.diff import difference
from flows.documents.document import FlowDocument
from flows.documents.lint import Finding, lint
from flows.documents.versions import NoSuchVersion, RefusedFlow, live_parts, parse, storable
from flows.editing.drafts import Desk, DraftMoved, desk, keep
from flows.editing.drawing import CannotEdit, Card, Place, draw, spot, spots
from flows.editing.edits import EDIT, Add, Change, Edited, edit
from flows.editing.publishing import unfit
from web.console.builder import panel as panels
from web.console.builder.cards import cards_of, place_of, written
from web.console.builder.yaml_editor import BadText, Fault, read_text, text_of
from web.console.frame import Page, see, show
from web.console.requests import ConsoleRequest

PALETTE, FLOW, YAML = "add", "flow", "yaml"
# sent by builder.js, which puts the drawing of the answer in the place of the old one
BY_SCRIPT = "X-Builder"


@dataclass
class Bench:
    """What one page of the builder shows.

    ``document`` None: the draft is no flow, and can only be mended as text.

    ``opened``: the panel beside the drawing, or the place of a step; ``gap``: where the palette adds; ``at``:
    where the focus goes. ``theirs``: what somebody else has saved meanwhile, and ``changes`` what putting
    this on top of it would change; ``own``: it was the same person, in another window.
    """

    name: str
    mark: str
    document: FlowDocument | None
    found: Desk
    opened: str = PALETTE
    gap: str = ""
    lane: str = ""
    at: str = ""
    said: str = ""
    problem: str = ""
    panel: panels.StepPanel | None = None
    head_errors: dict[str, str] = field(default_factory=dict)
    text: str = ""
    faults: list[Fault] = field(default_factory=list)
    theirs: Desk | None = None
    changes: list[Difference] | None = None
    own: bool = False
    status: int = 200


def builder(request: ConsoleRequest, name: str) -> HttpResponse:
    """The drawing.

    ``?at=``: the place, or ``?step=``: the name of the step whose settings are shown; ``?open=``: another
    panel.
    """
    bench = _bench(name)
    asked = request.GET
    if bench.document is not None:
        bench.opened = asked.get("open", PALETTE) if asked.get("open") in (FLOW, YAML) else PALETTE
        bench.gap, bench.lane = asked.get("gap", ""), asked.get("lane", "")
        at = _place(asked.get("at", "")) or _named(bench.document, asked.get("step", ""))
        if at and _card(bench.document, at):
            bench.opened = bench.at = written(at)
    return _shown(request, bench)


def change(request: ConsoleRequest, name: str) -> HttpResponse:
    """One edit of the document that the page shows: saved if nobody was faster; otherwise both are shown, and
    nothing is lost.
    """
    bench = _bench(name)
    if bench.document is not None or request.POST.get("_base"):
        purpose = {"for": bench.document.designation} if bench.document else {}
        bench.document = _carried(request, name, **purpose)
    bench.mark, bench.opened = request.POST.get("_mark", ""), request.POST.get("_open", PALETTE)
    try:
        edited = _edited(bench, request)
    except CannotEdit as impossible:
        bench.said = bench.problem = str(impossible)
        bench.status = 409
        return _shown(request, bench)
    except RefusedFlow as refused:
        _refuse(bench, refused)
        return _shown(request, bench)
    return _shown(request, bench) if edited is None else _kept(request, bench, edited)


def _edited(bench: Bench, request: ConsoleRequest) -> Edited | None:
    """What the edit that was posted makes of the document; None where the form must be shown again."""
    wanted = _json(request.POST.get("_edit", ""))
    kind = wanted.get("do") if isinstance(wanted, dict) else None
    if kind == "text":
        return _from_text(bench, request.POST.get("_text", ""))
    if bench.document is None:
        raise Http404
    if kind == "keep":
        return Edited(bench.document, None, _("Overwrote the other changes"))
    if kind == "head":
        wanted |= {"title": request.POST.get("_title", "").strip(), "default": "_default" in request.POST}
    if kind == "panel":
        wanted = _from_panel(bench, wanted.get("step", ""), request)
    try:
        parsed = None if wanted is None else EDIT.validate_python(wanted)
    except ValidationError:
        raise Http404 from None
    if parsed is None:
        return None
    edited = edit(bench.document, parsed)
    if isinstance(parsed, Add) and edited.at and (card := _card(edited.document, edited.at)):
        bench.gap, bench.lane = written(card.end), parsed.lane  # the next one is added behind it
    return edited


def _from_panel(bench: Bench, step: Any, request: ConsoleRequest) -> dict[str, Any] | None:
    """The edit for which the settings of a step ask."""
    card = bench.document and _card(bench.document, _place(str(step)))
    if not bench.document or not card:
        raise CannotEdit(_("This step no longer exists."))
    bench.panel, bench.opened = panels.posted(bench.document, card, request.POST), written(card.place)
    if "_more" in request.POST or "_less" in request.POST:
        return None
    wanted = panels.change(card, bench.panel)
    if wanted is None:
        bench.said, bench.status = _("Fix the errors below and try again."), 422
    return wanted


def _from_text(bench: Bench, text: str) -> Edited | None:
    bench.opened, bench.text = YAML, text.replace("\r\n", "\n")
    kept = bench.document.designation if bench.document else str(bench.found.document.get("for", ""))
    try:
        return Edited(read_text(bench.text, bench.name, kept), None, _("YAML applied"))
    except BadText as bad:
        bench.faults, bench.status = bad.faults, 422
        bench.said = _("Fix the errors below and try again.")
        return None


def _kept(request: ConsoleRequest, bench: Bench, edited: Edited) -> HttpResponse:
    """Saves; where somebody was faster, shows who, when, and what this would change of theirs."""
    try:
        bench.found = keep(bench.name, edited.document, by=request.person.username, mark=bench.mark)
    except RefusedFlow as refused:
        _refuse(bench, refused)
        return _shown(request, bench)
    except DraftMoved:
        bench.theirs = bench.found = _bench(bench.name).found
        bench.changes, bench.status = _changes(bench.theirs, edited.document), 409
        bench.own = bool(bench.theirs.at) and bench.theirs.by == request.person.username
        who = (
            _("You changed this flow in another window.")
            if bench.own
            else _("Someone else changed this flow while you were editing.")
        )
        bench.said = " ".join([who, _("Nothing is lost: review the changes or overwrite them.")])
    except NoSuchVersion:
        raise Http404 from None
    bench.document, bench.panel, bench.text = edited.document, None, ""
    if bench.theirs:
        return _shown(request, bench)
    bench.mark, bench.said = bench.found.mark, edited.said
    if edited.at is not None:
        stays = bench.opened not in (PALETTE, FLOW, YAML)
        bench.at = written(edited.at)
        bench.opened = bench.at if stays else bench.opened
    elif bench.opened not in (PALETTE, FLOW, YAML):
        bench.opened = PALETTE
    if request.headers.get(BY_SCRIPT):
        return _shown(request, bench)
    query = f"?at={bench.at}" if bench.at else f"?open={bench.opened}"
    return see(request, reverse("console:builder", args=[bench.name]) + query, edited.said)


def _changes(theirs: Desk, mine: FlowDocument) -> list[Difference] | None:
    try:
        return difference(theirs.parsed(), mine)
    except RefusedFlow:
        return None


def _refuse(bench: Bench, refused: RefusedFlow) -> None:
    """What makes the outcome no document, at the field that said it."""
    bench.status, bench.said = 422, _("Fix the errors below and try again.")
    for finding in refused.findings:
        key = str(finding.path[-1]) if finding.path else ""
        if bench.panel and key in ("id", "when"):
            bench.panel.errors[key] = finding.message
        elif key == "title":
            bench.head_errors[key] = finding.message
        else:
            bench.problem = finding.message


def check(request: ConsoleRequest, name: str) -> HttpResponse:
    """What is wrong with a condition while it is typed: ``[{"message": …, "level": …}]``; nothing
    is saved.
    """
    try:
        step = _place(request.POST.get("_step", ""))
        typed = edit(
            _carried(request, name), Change(step=step, when=request.POST.get("_source", ""))
        ).document
    except (ValidationError, RefusedFlow, CannotEdit):
        raise Http404 from None
    found = [
        each
        for each in lint(typed, live_parts(), names={})
        if place_of(each.path) == step and each.path[-1] == "when"
    ]
    return JsonResponse([{"message": each.message, "level": each.level} for each in found], safe=False)


def _bench(name: str) -> Bench:
    try:
        found = desk(name)
    except NoSuchVersion:
        raise Http404 from None
    try:
        return Bench(name, found.mark, found.parsed(), found)
    except RefusedFlow as refused:
        text = json.dumps(found.document, ensure_ascii=False, indent=2)
        faults = [
            Fault(1, 1, f"{'.'.join(map(str, each.path))}: {each.message}") for each in refused.findings
        ]
        return Bench(name, found.mark, None, found, opened=YAML, text=text, faults=faults)


def _shown(request: ConsoleRequest, bench: Bench) -> HttpResponse:
    may_edit = request.may("flows.edit")
    drawing = _drawing(bench) if bench.document else {}
    title = bench.document.title if bench.document else bench.name
    by_script = BY_SCRIPT in request.headers
    context = {
        "bench": bench,
        "name": bench.name,
        "may_edit": may_edit,
        "words": None,
        "arrived": not by_script,
        **drawing,
    }
    template = "console/builder/bench.html" if by_script else "console/builder/page.html"
    return show(request, template, title=title, part=_("Edit"), status=bench.status, **context)


def _drawing(bench: Bench) -> dict[str, Any]:
    """What the templates need of the document, and of the panel that is open."""
    document = bench.document
    assert document is not None  # noqa: S101 only called with one
    parts = live_parts()
    findings = [*lint(document, parts, names={}), *unfit(document)]
    card = _card(document, _place(bench.opened))
    if card and bench.panel is None:
        bench.panel = panels.stored(document, card)
    if bench.panel and bench.panel.part in parts:
        bench.panel.title = parts[bench.panel.part].title
    context: dict[str, Any] = {
        # the same flow is the same text
        "base": json.dumps(document.as_json(), ensure_ascii=False, sort_keys=True),
        "cards": cards_of(document, findings, {name: part.title for name, part in parts.items()}),
        "findings": _listed(document, findings),
        "errors": sum(each.level == "error" for each in findings),
        "designation": DESIGNATIONS[document.designation],
        "end": str(len(document.steps)),
    }
    if bench.panel:
        context["words"] = panels.known_words(document, _place(bench.panel.place))
    elif bench.opened == YAML:
        bench.text = bench.text or text_of(document)
    elif bench.opened != FLOW:
        context |= _palette(bench, document, parts)
    return context


def _palette(bench: Bench, document: FlowDocument, parts: Mapping[str, FlowDocument]) -> dict[str, Any]:
    """What can be added, and where: before the gap that was chosen, else at the end."""
    place = _place(bench.gap) or (len(document.steps),)
    lanes = {lane.lane for each in spots(draw(document)) for lane in each.card.lanes}
    target = {"at": written(place), "lane": bench.lane if bench.lane in lanes else ""}
    before = _card(document, place)
    entries = [
        (entry, json.dumps({"do": "add", "what": entry.what, "name": entry.name, **target}))
        for entry in panels.palette(parts, bench.name)
    ]
    return {
        "palette": entries,
        "target": target,
        "before": before.step.id if before else "",
        "at_end": place == (len(document.steps),),
    }


def _listed(document: FlowDocument, findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The findings with the cards to which one jumps."""
    ids = {each.card.place: each.card.step.id for each in spots(draw(document))}
    places = [(finding, place_of(finding.path)) for finding in findings]
    return [
        {
            "level": finding.level,
            "message": finding.message,
            "step": ids.get(place, ""),
            "place": written(place) if place in ids else "",
        }
        for finding, place in places
    ]


def _carried(request: ConsoleRequest, name: str, **kept: str) -> FlowDocument:
    """The document that the page has shown, as its forms carry it; 404 for what no page of ours has put
    there.
    """
    try:
        document = parse({**_json(request.POST.get("_base", "")), "flow": name, **kept})
        storable(document)
    except (TypeError, RefusedFlow):
        raise Http404 from None
    return document


def _json(text: str) -> Any:
    """What a hidden field carries; 404 for what no page of ours has put there."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Http404 from None


def _place(text: str) -> Place:
    """A place as an address carries it; () for anything else."""
    parts = text.split(".")
    return (
        tuple(map(int, parts))
        if len(parts) < 9 and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts)
        else ()
    )


def _card(document: FlowDocument, place: Place) -> Card | None:
    found = spot(draw(document), place) if place else None
    return found.card if found else None


def _named(document: FlowDocument, step: str) -> Place:
    return next((each.card.place for each in spots(draw(document)) if each.card.step.id == step), ())


PAGES = (
    Page("flows/<slug:name>/", builder, "builder", see="flows.see"),
    Page("flows/<slug:name>/edit", change, "builder-edit", see="", do="flows.edit"),
    Page("flows/<slug:name>/check", check, "builder-check", see="", do="flows.edit"),
)
