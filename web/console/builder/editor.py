"""The flow builder: a page with the draft of a flow, and edits of it.

The server renders every state, so that the builder also works without scripts.
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
from flows.documents.diff import diff_flows
from flows.documents.document import FlowDocument
from flows.documents.lint import Finding, lint
from flows.documents.versions import InvalidFlow, NoSuchVersion, check_storable, live_sub_flows, parse_flow
from flows.editing.cards import CannotEdit, Card, Place, build_cards, find_position, iter_positions
from flows.editing.drafts import DraftChanged, EditableDraft, load, save
from flows.editing.edits import EDIT_ADAPTER, AddStep, ChangeStep, EditResult, apply_edit
from flows.editing.publishing import find_conflicts
from web.console.builder import panel as panels
from web.console.builder.cards import build_card_views, format_place, place_from_path
from web.console.builder.yaml_editor import InvalidFlowText, TextProblem, flow_from_text, flow_to_text
from web.console.frame import ConsolePage, render_page, see_other
from web.console.requests import ConsoleRequest

PALETTE, FLOW, YAML = "add", "flow", "yaml"
# sent by builder.js, which replaces the builder with the response
_SCRIPT_HEADER = "X-Builder"


@dataclass
class BuilderView:
    """The state of one page of the builder.

    ``document``: None if the draft is not a valid flow and can only be fixed as text. ``opened``: the open
    panel, or the place of a step. ``gap``: where the palette adds a step. ``at``: where the focus goes.
    ``conflict``: the draft that was saved meanwhile. ``changes``: what overwriting it would change.
    ``is_own_conflict``: the same person saved it, in another window.
    """

    name: str
    digest: str
    document: FlowDocument | None
    draft: EditableDraft
    opened: str = PALETTE
    gap: str = ""
    lane: str = ""
    at: str = ""
    notice: str = ""
    problem: str = ""
    panel: panels.StepPanel | None = None
    header_errors: dict[str, str] = field(default_factory=dict)
    text: str = ""
    text_problems: list[TextProblem] = field(default_factory=list)
    conflict: EditableDraft | None = None
    changes: list[Difference] | None = None
    is_own_conflict: bool = False
    status: int = 200


def builder(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the builder.

    ``?at=``: the place, or ``?step=``: the ID of the step whose settings are shown. ``?open=``: another
    panel.
    """
    view = _load_view(name)
    query = request.GET
    if view.document is not None:
        view.opened = query.get("open", PALETTE) if query.get("open") in (FLOW, YAML) else PALETTE
        view.gap, view.lane = query.get("gap", ""), query.get("lane", "")
        at = _parse_place(query.get("at", "")) or _find_step(view.document, query.get("step", ""))
        if at and _find_card(view.document, at):
            view.opened = view.at = format_place(at)
    return _render(request, view)


def change(request: ConsoleRequest, name: str) -> HttpResponse:
    """Apply one edit to the document that the page shows.

    The result is saved if the draft did not change meanwhile; otherwise the page shows both, and nothing is
    lost.
    """
    view = _load_view(name)
    if view.document is not None or request.POST.get("_base"):
        purpose = {"for": view.document.designation} if view.document else {}
        view.document = _submitted_document(request, name, **purpose)
    view.digest, view.opened = request.POST.get("_mark", ""), request.POST.get("_open", PALETTE)
    try:
        edited = _requested_edit(view, request)
    except CannotEdit as impossible:
        view.notice = view.problem = str(impossible)
        view.status = 409
        return _render(request, view)
    except InvalidFlow as refused:
        _add_errors(view, refused)
        return _render(request, view)
    return _render(request, view) if edited is None else _save(request, view, edited)


def _requested_edit(view: BuilderView, request: ConsoleRequest) -> EditResult | None:
    """Return the document after the submitted edit; None if the form must be shown again."""
    requested = _json(request.POST.get("_edit", ""))
    kind = requested.get("do") if isinstance(requested, dict) else None
    if kind == "text":
        return _edit_from_text(view, request.POST.get("_text", ""))
    if view.document is None:
        raise Http404
    if kind == "keep":
        return EditResult(view.document, None, _("Overwrote the other changes"))
    if kind == "head":
        requested |= {"title": request.POST.get("_title", "").strip(), "default": "_default" in request.POST}
    if kind == "panel":
        requested = _edit_from_panel(view, requested.get("step", ""), request)
    try:
        parsed = None if requested is None else EDIT_ADAPTER.validate_python(requested)
    except ValidationError:
        raise Http404 from None
    if parsed is None:
        return None
    edited = apply_edit(view.document, parsed)
    if isinstance(parsed, AddStep) and edited.place and (card := _find_card(edited.document, edited.place)):
        view.gap, view.lane = format_place(card.end), parsed.lane  # the next step is added after it
    return edited


def _edit_from_panel(view: BuilderView, step: Any, request: ConsoleRequest) -> dict[str, Any] | None:
    """Return the edit for the submitted settings of a step; None if the form must be shown again."""
    card = view.document and _find_card(view.document, _parse_place(str(step)))
    if not view.document or not card:
        raise CannotEdit(_("This step no longer exists."))
    view.panel, view.opened = panels.posted_panel(view.document, card, request.POST), format_place(card.place)
    if "_more" in request.POST or "_less" in request.POST:
        return None
    requested = panels.panel_edit(card, view.panel)
    if requested is None:
        view.notice, view.status = _("Fix the errors below and try again."), 422
    return requested


def _edit_from_text(view: BuilderView, text: str) -> EditResult | None:
    view.opened, view.text = YAML, text.replace("\r\n", "\n")
    expected = view.document.designation if view.document else str(view.draft.document.get("for", ""))
    try:
        return EditResult(flow_from_text(view.text, view.name, expected), None, _("YAML applied"))
    except InvalidFlowText as bad:
        view.text_problems, view.status = bad.problems, 422
        view.notice = _("Fix the errors below and try again.")
        return None


def _save(request: ConsoleRequest, view: BuilderView, edited: EditResult) -> HttpResponse:
    """Save the draft; if it changed meanwhile, show who saved it, when, and what overwriting changes."""
    try:
        view.draft = save(view.name, edited.document, by=request.person.username, revision_tag=view.digest)
    except InvalidFlow as refused:
        _add_errors(view, refused)
        return _render(request, view)
    except DraftChanged:
        view.conflict = view.draft = _load_view(view.name).draft
        view.changes, view.status = _changes(view.conflict, edited.document), 409
        view.is_own_conflict = bool(view.conflict.at) and view.conflict.by == request.person.username
        who = (
            _("You changed this flow in another window.")
            if view.is_own_conflict
            else _("Someone else changed this flow while you were editing.")
        )
        view.notice = " ".join([who, _("Nothing is lost: review the changes or overwrite them.")])
    except NoSuchVersion:
        raise Http404 from None
    view.document, view.panel, view.text = edited.document, None, ""
    if view.conflict:
        return _render(request, view)
    view.digest, view.notice = view.draft.revision_tag, edited.summary
    if edited.place is not None:
        step_is_open = view.opened not in (PALETTE, FLOW, YAML)
        view.at = format_place(edited.place)
        view.opened = view.at if step_is_open else view.opened
    elif view.opened not in (PALETTE, FLOW, YAML):
        view.opened = PALETTE
    if request.headers.get(_SCRIPT_HEADER):
        return _render(request, view)
    query = f"?at={view.at}" if view.at else f"?open={view.opened}"
    return see_other(request, reverse("console:builder", args=[view.name]) + query, edited.summary)


def _changes(conflict: EditableDraft, mine: FlowDocument) -> list[Difference] | None:
    try:
        return diff_flows(conflict.parsed(), mine)
    except InvalidFlow:
        return None


def _add_errors(view: BuilderView, refused: InvalidFlow) -> None:
    """Add the findings of an invalid document to the fields that cause them."""
    view.status, view.notice = 422, _("Fix the errors below and try again.")
    for finding in refused.findings:
        key = str(finding.path[-1]) if finding.path else ""
        if view.panel and key in ("id", "when"):
            view.panel.errors[key] = finding.message
        elif key == "title":
            view.header_errors[key] = finding.message
        else:
            view.problem = finding.message


def check(request: ConsoleRequest, name: str) -> HttpResponse:
    """Return the findings of a condition during input: ``[{"message": …, "level": …}]``.

    Nothing is saved.
    """
    try:
        step = _parse_place(request.POST.get("_step", ""))
        changed = apply_edit(
            _submitted_document(request, name), ChangeStep(step=step, when=request.POST.get("_source", ""))
        ).document
    except (ValidationError, InvalidFlow, CannotEdit):
        raise Http404 from None
    findings = [
        each
        for each in lint(changed, live_sub_flows(), planned_names={})
        if place_from_path(each.path) == step and each.path[-1] == "when"
    ]
    return JsonResponse([{"message": each.message, "level": each.level} for each in findings], safe=False)


def _load_view(name: str) -> BuilderView:
    try:
        draft = load(name)
    except NoSuchVersion:
        raise Http404 from None
    try:
        return BuilderView(name, draft.revision_tag, draft.parsed(), draft)
    except InvalidFlow as refused:
        text = json.dumps(draft.document, ensure_ascii=False, indent=2)
        problems = [
            TextProblem(1, 1, f"{'.'.join(map(str, each.path))}: {each.message}") for each in refused.findings
        ]
        return BuilderView(
            name, draft.revision_tag, None, draft, opened=YAML, text=text, text_problems=problems
        )


def _render(request: ConsoleRequest, view: BuilderView) -> HttpResponse:
    may_edit = request.may("flows.edit")
    definition = _definition_context(view) if view.document else {}
    title = view.document.title if view.document else view.name
    by_script = _SCRIPT_HEADER in request.headers
    context = {
        "view": view,
        "name": view.name,
        "may_edit": may_edit,
        "variables": None,
        "arrived": not by_script,
        **definition,
    }
    template = "console/builder/view.html" if by_script else "console/builder/page.html"
    return render_page(request, template, title=title, part=_("Edit"), status=view.status, **context)


def _definition_context(view: BuilderView) -> dict[str, Any]:
    """Return the template context of the document and of the open panel."""
    document = view.document
    assert document is not None  # noqa: S101 only called with a document
    sub_flows = live_sub_flows()
    findings = [*lint(document, sub_flows, planned_names={}), *find_conflicts(document)]
    card = _find_card(document, _parse_place(view.opened))
    if card and view.panel is None:
        view.panel = panels.stored_panel(document, card)
    if view.panel and view.panel.sub_flow in sub_flows:
        view.panel.title = sub_flows[view.panel.sub_flow].title
    context: dict[str, Any] = {
        # equal flows are equal texts
        "base": json.dumps(document.as_json(), ensure_ascii=False, sort_keys=True),
        "cards": build_card_views(
            document, findings, {name: sub_flow.title for name, sub_flow in sub_flows.items()}
        ),
        "findings": _list_findings(document, findings),
        "errors": sum(each.level == "error" for each in findings),
        "designation": DESIGNATIONS[document.designation],
        "end": str(len(document.steps)),
    }
    if view.panel:
        context["variables"] = panels.available_variables(document, _parse_place(view.panel.place))
    elif view.opened == YAML:
        view.text = view.text or flow_to_text(document)
    elif view.opened != FLOW:
        context |= _palette(view, document, sub_flows)
    return context


def _palette(
    view: BuilderView, document: FlowDocument, sub_flows: Mapping[str, FlowDocument]
) -> dict[str, Any]:
    """Return what can be added, and where: before the selected gap, or else at the end."""
    place = _parse_place(view.gap) or (len(document.steps),)
    lanes = {lane.condition for each in iter_positions(build_cards(document)) for lane in each.card.lanes}
    target = {"at": format_place(place), "lane": view.lane if view.lane in lanes else ""}
    before = _find_card(document, place)
    entries = [
        (entry, json.dumps({"do": "add", "what": entry.what, "name": entry.name, **target}))
        for entry in panels.build_palette(sub_flows, view.name)
    ]
    return {
        "palette": entries,
        "target": target,
        "before": before.step.id if before else "",
        "at_end": place == (len(document.steps),),
    }


def _list_findings(document: FlowDocument, findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return the findings, each with the place of its card."""
    ids = {each.card.place: each.card.step.id for each in iter_positions(build_cards(document))}
    places = [(finding, place_from_path(finding.path)) for finding in findings]
    return [
        {
            "level": finding.level,
            "message": finding.message,
            "step": ids.get(place, ""),
            "place": format_place(place) if place in ids else "",
        }
        for finding, place in places
    ]


def _submitted_document(request: ConsoleRequest, name: str, **expected: str) -> FlowDocument:
    """Return the document that the page has shown, from its hidden field; 404 for a forged one."""
    try:
        document = parse_flow({**_json(request.POST.get("_base", "")), "flow": name, **expected})
        check_storable(document)
    except (TypeError, InvalidFlow):
        raise Http404 from None
    return document


def _json(text: str) -> Any:
    """Return the value of a hidden field; 404 for text that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Http404 from None


def _parse_place(text: str) -> Place:
    """Return a place from its text in a URL; () for anything else."""
    parts = text.split(".")
    return (
        tuple(map(int, parts))
        if len(parts) < 9 and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts)
        else ()
    )


def _find_card(document: FlowDocument, place: Place) -> Card | None:
    found = find_position(build_cards(document), place) if place else None
    return found.card if found else None


def _find_step(document: FlowDocument, step: str) -> Place:
    return next(
        (each.card.place for each in iter_positions(build_cards(document)) if each.card.step.id == step), ()
    )


PAGES = (
    ConsolePage("flows/<slug:name>/", builder, "builder", view_operation="flows.see"),
    ConsolePage(
        "flows/<slug:name>/edit", change, "builder-edit", view_operation="", post_operation="flows.edit"
    ),
    ConsolePage(
        "flows/<slug:name>/check", check, "builder-check", view_operation="", post_operation="flows.edit"
    ),
)
