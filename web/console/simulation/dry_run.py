"""The dry run of a flow: shows the path with its reasons, and writes and sends nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import ValidationError

from flows.conditions.presets import describe_condition
from flows.documents.document import StepDocument
from flows.documents.layout import FlowTooLarge, Layout, LayoutNode, lay_out
from flows.documents.versions import InvalidFlow, NoSuchVersion
from flows.editing.drafts import DraftChanged
from flows.editing.revisions import FlowRevision
from flows.editing.saved_tests import build_flow_test, save_flow_test
from flows.registry import stages
from flows.simulation.flow_tests import findings_by_test
from flows.simulation.preview import preview_step
from flows.simulation.simulate import PersonNotFound, StepReport, is_guessable, run_result, simulate
from idp.accounts.listings import PEOPLE
from idp.accounts.roles import ROLES
from idp.foundation.listing import ListQuery
from idp.oauth.listings import APPLICATIONS
from idp.tenancy.scope import current_tenant
from web.console.builder.cards import stage_title
from web.console.builder.revisions import builder_url, requested_revision
from web.console.frame import ConsolePage, is_htmx_request, render_page, see_other
from web.console.requests import ConsoleRequest
from web.console.simulation.parameters import DryRunParameters, parse_parameters, query_of_test
from web.console.simulation.texts import ENDINGS, KINDS, METHODS, report_context


@dataclass(frozen=True)
class DryRunField:
    """One input field of a step, with its choices if it has them."""

    name: str
    label: str
    value: str
    choices: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class DryRunRow:
    """One node of the path.

    ``mark``: good, bad, here, over, or "" if the run did not reach it. ``answer_kind``: "" if the step needs
    no answer.
    """

    id: str
    title: Any
    kind: str
    depth: int
    url: str
    mark: str = ""
    decision: Any = ""
    when: list[tuple[str, bool]] = field(default_factory=list)
    report: StepReport | None = None
    values: list[tuple[str, str]] = field(default_factory=list)
    learned: list[Any] = field(default_factory=list)
    effects: list[tuple[Any, list[tuple[str, str]]]] = field(default_factory=list)
    answer_kind: str = ""
    typable: bool = False
    fields: list[DryRunField] = field(default_factory=list)


def dry_run(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render one dry run.

    All of its parameters are in the URL, so that a reload, a link and the back button repeat it.
    """
    requested = requested_revision(name, request.GET)
    if requested.revision is None:
        return render_page(
            request,
            "console/simulation/dry_run.html",
            title=requested.title,
            part=_("Test"),
            **requested.template_context,
        )
    parameters = parse_parameters(request.GET, may_name=_may_name(request))
    context = {
        **requested.template_context,
        **_form(request, parameters),
        **_path_context(request, requested.revision, parameters),
    }
    if "tests" in request.GET:
        context["tests"] = _test_results(requested.revision, names=_may_name(request))
    template = (
        "console/simulation/dry_run_part.html"
        if is_htmx_request(request, "path")
        else "console/simulation/dry_run.html"
    )
    return render_page(request, template, title=requested.title, part=_("Test"), **context)


def save_test(request: ConsoleRequest, name: str) -> HttpResponse:
    """Save a dry run, given by its URL parameters, as a flow test of the draft."""
    text = request.POST.get("query", "").replace("\0", "")
    query, back = QueryDict(text), f"{reverse('console:flow-try', args=[name])}?{text}"
    requested = requested_revision(name, query)
    if requested.revision is None:
        return see_other(request, back, _("The draft isn't a valid flow. Fix its errors first."))
    parameters = parse_parameters(query, may_name=_may_name(request))
    if parameters.errors:
        return see_other(request, back, _("Fix the errors below and try again."))
    try:
        reports = _simulate(request, requested.revision, parameters)
        test_name = request.POST.get("name", "").replace("\0", "").strip()
        test = build_flow_test(
            test_name,
            parameters.person,
            parameters.request,
            parameters.answers(_typable(requested.revision)),
            reports,
        )
        save_flow_test(name, test, by=request.person.username)
    except (PersonNotFound, ValidationError):
        return see_other(request, back, _("Test not saved. Enter a name and choose a user that exists."))
    except (InvalidFlow, NoSuchVersion) as refused:
        return see_other(
            request,
            back,
            _("Test not saved. %(why)s")
            % {"why": "; ".join(each.message for each in getattr(refused, "findings", []))},
        )
    except DraftChanged:
        return see_other(
            request, back, _("Test not saved: someone changed the draft at the same time. Try again.")
        )
    return see_other(request, back, _("Test saved in the draft. It runs before every publish."))


def people(request: ConsoleRequest) -> HttpResponse:
    """Render suggestions for the person of the dry run, by a part of the name."""
    rows = PEOPLE.page(ListQuery(search=request.GET.get("person", ""), size=8)).rows
    options = [(row["username"], row["name"] or row["email"]) for row in rows]
    return render(request, "console/simulation/dry_run_options.html", {"options": options})


def applications(request: ConsoleRequest) -> HttpResponse:
    """Render suggestions for the application of the dry run, by a part of the name."""
    rows = APPLICATIONS.page(ListQuery(search=request.GET.get("application", ""), size=8)).rows
    return render(
        request,
        "console/simulation/dry_run_options.html",
        {"options": [(row["name"], row["title"]) for row in rows]},
    )


def _may_name(request: ConsoleRequest) -> bool:
    return bool(request.may("people.see"))


def _form(request: ConsoleRequest, parameters: DryRunParameters) -> dict[str, Any]:
    """Return the template context of the form."""
    query, tenant = request.GET, current_tenant()
    simulated = None if isinstance(parameters.person, str) else parameters.person
    credentials = list(simulated.credentials) if simulated else ["password"]
    if "credentials" in query:
        credentials = query.getlist("credentials")
    return {
        "errors": parameters.errors,
        "may_name": _may_name(request),
        "said": query,
        "username": query.get("username", "") or "somebody",
        "address": query.get("address", "") or "127.0.0.1",
        "kinds": [(kind, title, kind in credentials) for kind, title in KINDS],
        "methods": [(method, title, method in query.getlist("signed_in")) for method, title in METHODS],
        "roles": ROLES,
        "networks": list(tenant.networks),
        "more": any(
            query.get(each)
            for each in ("agent", "time", "country", "scopes", "device_address", "device_age", "session_age")
        ),
    }


def _path_context(
    request: ConsoleRequest, revision: FlowRevision, parameters: DryRunParameters
) -> dict[str, Any]:
    """Return the template context of the path, or of the reason why there is none."""
    if parameters.errors:
        return {"rows": []}
    try:
        reports = _simulate(request, revision, parameters)
        layout = lay_out(revision.document, revision.parts)
    except PersonNotFound:
        return {"rows": [], "errors": {"person": _("No user with this username.")}}
    except FlowTooLarge as large:
        return {"rows": [], "broken": str(large)}
    mark, words = ENDINGS[run_result(reports)]
    asks = [report.step for report in reports if report.step]
    return {
        "rows": list(_rows(revision, layout, parameters, reports)),
        "end": run_result(reports),
        "end_mark": mark,
        "end_words": words,
        "end_step": asks[-1] if asks and run_result(reports) != "finished" else "",
        "broken": next((report.message for report in reports if report.decision == "broken"), ""),
        "query": _query(request),
    }


def _simulate(
    request: ConsoleRequest, revision: FlowRevision, parameters: DryRunParameters
) -> list[StepReport]:
    answers = parameters.answers(_typable(revision))
    return simulate(
        revision.document,
        answers,
        sub_flows=revision.parts,
        person=parameters.person,
        request=parameters.request,
        verify_answers=False,
        may_view_people=_may_name(request),
        pause_at=parameters.stop_steps,
    )


def _typable(revision: FlowRevision) -> list[str]:
    """Return the steps whose answers may be typed.

    Steps that verify an identity are assumed to pass or to fail; their answers are never judged.
    """
    try:
        nodes = lay_out(revision.document, revision.parts).nodes
    except FlowTooLarge:
        return []
    return [node.id for node in nodes if _may_type(node)]


def _may_type(node: LayoutNode) -> bool:
    stage = stages().get(node.definition.stage or "")
    return stage is not None and not is_guessable(stage)


def _query(request: ConsoleRequest) -> str:
    """Return the query string of this dry run, without the assumptions, which it would make again."""
    kept = [(name, value) for name, values in request.GET.lists() for value in values if name != "tests"]
    return urlencode(kept)


def _rows(
    revision: FlowRevision, layout: Layout, parameters: DryRunParameters, reports: list[StepReport]
) -> Iterator[DryRunRow]:
    by_step = {report.step: report for report in reports}
    for node in layout.nodes:
        step, report = node.definition, by_step.get(node.id)
        members: dict[str, Any] = {
            "title": _title(step),
            "kind": step.kind,
            "depth": min(len(node.ancestors), 4),
        }
        members |= {"url": builder_url(revision.name, node.id if not node.prefix else node.ancestors[0])}
        members["when"] = describe_condition(step.when) if step.when else []
        if report is None:
            yield DryRunRow(node.id, **members)
            continue
        answer_kind = parameters.answer_kinds.get(node.id) or _usual_answer_kind(report)
        typable = bool(answer_kind) and _may_type(node) and _has_fields(revision, node)
        members |= {
            "answer_kind": answer_kind,
            "typable": typable,
            "fields": _typed_fields(revision, node, parameters) if typable and answer_kind == "typed" else [],
        }
        yield DryRunRow(node.id, **members, **report_context(report))


def _title(step: StepDocument) -> str:
    if step.stage:
        return stage_title(step.stage)
    return _("Sub-flow %(name)s") % {"name": step.flow} if step.flow else _("Section")


def _usual_answer_kind(report: StepReport) -> str:
    if report.assumed:
        return "passes"
    return "open" if report.decision == "asks" else ""


def _has_fields(revision: FlowRevision, node: LayoutNode) -> bool:
    return bool(_form_fields(revision, node))


def _typed_fields(
    revision: FlowRevision, node: LayoutNode, parameters: DryRunParameters
) -> list[DryRunField]:
    typed = parameters.typed.get(node.id, {})
    found = []
    for name, each in _form_fields(revision, node).items():
        choices = [(str(value), str(title)) for value, title in getattr(each, "choices", ())]
        found.append(DryRunField(name, str(each.label or name), typed.get(name, ""), choices))
    return found


def _form_fields(revision: FlowRevision, node: LayoutNode) -> dict[str, Any]:
    """Return the fields of the step's form, by name."""
    forms = [
        shown.page.form
        for shown in preview_step(revision.document, revision.parts, node.id)
        if shown.page and shown.page.form
    ]
    return dict(forms[0].fields) if forms else {}


def _test_results(revision: FlowRevision, *, names: bool) -> list[tuple[str, list[str], str]]:
    """Return each flow test with its failures and the URL of its dry run."""
    steps = [node.id for node in lay_out(revision.document, revision.parts).nodes if node.definition.stage]
    results = zip(
        revision.document.tests,
        findings_by_test(revision.document, revision.parts, may_view_people=names),
        strict=True,
    )
    return [
        (
            test.name,
            [each.message.removeprefix(f"{test.name}: ") for each in wrong],
            "?" + query_of_test(test, steps, which=revision.label),
        )
        for test, wrong in results
    ]


PAGES = (
    ConsolePage("flows/<slug:name>/try", dry_run, "flow-try", view_operation="flows.see"),
    ConsolePage(
        "flows/<slug:name>/try/keep",
        save_test,
        "flow-try-keep",
        view_operation="",
        post_operation="flows.edit",
    ),
    ConsolePage("dry-run/people", people, "flow-try-people", view_operation="people.see"),
    ConsolePage(
        "dry-run/applications", applications, "flow-try-applications", view_operation="applications.see"
    ),
)
