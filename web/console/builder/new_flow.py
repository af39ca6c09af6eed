"""A new flow: empty, from a flow of the tenant, or from a template that ships; it starts as a draft."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import blueprints
from blueprints.files.nodes import parse as nodes_of
from blueprints.objects.recipes import slugify
from flows.documents.designations import DESIGNATIONS, SUB_FLOW
from flows.documents.document import FlowDocument
from flows.documents.lint import lint
from flows.documents.versions import (
    InvalidFlow,
    NoSuchVersion,
    list_flows,
    live_sub_flows,
    live_version,
    only_errors,
    parse_flow,
    resolve_sub_flows,
    sub_flow_names,
)
from flows.editing.drafts import create_draft, load
from flows.simulation.flow_tests import findings_by_test
from web.console.builder.yaml_editor import InvalidFlowText, node_to_value
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import problems_from_errors
from web.console.requests import ConsoleRequest

_TITLES = {
    "title": ("title", gettext_lazy("Display name")),
    "name": ("name", gettext_lazy("ID")),
    "like": ("like", gettext_lazy("Start from")),
    "designation": ("designation", gettext_lazy("Purpose")),
}
_DEFAULT = "tenant"  # the file of the default blueprint that contains all sign-in methods
_FOLDER = Path(blueprints.__file__).parent


@dataclass
class NewFlow:
    """The submitted form of a new flow, and its errors.

    ``like``: the key of the flow to start from, "" for an empty one.
    """

    title: str = ""
    name: str = ""
    designation: str = ""
    like: str = ""
    errors: dict[str, str] = field(default_factory=dict)


def new(request: ConsoleRequest) -> HttpResponse:
    """Render the form; a POST creates the draft and opens it in the builder."""
    form = NewFlow(like=request.GET.get("like", ""), designation=request.GET.get("for", ""))
    if request.method == "POST":
        typed = {
            name: request.POST.get(name, "").replace("\0", " ").strip()
            for name in ("title", "name", "designation", "like")
        }
        form = NewFlow(typed["title"], typed["name"], typed["designation"], typed["like"])
        document = _build_document(form)
        if document and _create_draft(request, form, document):
            return see_other(
                request,
                reverse("console:builder", args=[document.flow]),
                _("Draft created. Nothing is live until you publish."),
            )
    context = {
        "form": form,
        "problems": problems_from_errors({name: [text] for name, text in form.errors.items()}, _TITLES),
        "designations": [(each.name, each.title) for each in DESIGNATIONS.values()],
        "shipped": [
            (key, f"{document.title} ({key.partition('/')[0]})") for key, document in shipped_flows().items()
        ],
        "own": [flow.name for flow in list_flows()],
    }
    return render_page(
        request,
        "console/builder/new.html",
        title=_("Create flow"),
        status=400 if form.errors else 200,
        **context,
    )


def _create_draft(request: ConsoleRequest, form: NewFlow, document: FlowDocument) -> bool:
    """Return whether the draft was created, with the sub-flows of its template; otherwise add errors."""
    templates = _template_sub_flows(form.like) if request.may("flows.publish") else []
    if form.like in shipped_flows():
        document, *templates = (_with_passing_tests(each, templates) for each in (document, *templates))
    try:
        if create_draft(document, by=request.person.username, sub_flows=templates):
            return True
        form.errors["name"] = _("A flow with this ID already exists.")
    except InvalidFlow as refused:
        form.errors["like"] = " ".join(each.message for each in refused.findings)
    return False


def _with_passing_tests(document: FlowDocument, templates: list[FlowDocument]) -> FlowDocument:
    """Return a template without the tests that fail in this tenant.

    Such tests rely on the tenant of the example, for instance on its trusted networks.
    """
    used = resolve_sub_flows(document, {sub_flow.flow: sub_flow for sub_flow in templates} | live_sub_flows())
    if not document.tests or only_errors(lint(document, used)):
        return document
    results = zip(document.tests, findings_by_test(document, used, may_view_people=False), strict=True)
    return document.model_copy(update={"tests": tuple(test for test, wrong in results if not wrong)})


def _template_sub_flows(key: str) -> list[FlowDocument]:
    """Return the sub-flows of a template, referenced ones first.

    They come from the file of the template, or else from the default one.
    """
    known, found = shipped_flows(), dict[str, FlowDocument]()

    def visit(key: str) -> None:
        for name in sub_flow_names(known[key]):
            if name not in found:
                sub_flow = _key_of(name, key, known)
                visit(sub_flow)
                found[name] = known[sub_flow]

    if key in known:
        visit(key)
    return list(found.values())


def _key_of(sub_flow: str, referring: str, known: Mapping[str, FlowDocument]) -> str:
    """Return the key of the template of a sub-flow, for a template that refers to it; "" if there is none."""
    places = (f"{referring.partition('/')[0]}/{sub_flow}", f"{_DEFAULT}/{sub_flow}")
    return next((each for each in places if each in known), "")


@lru_cache(maxsize=1)
def shipped_flows() -> dict[str, FlowDocument]:
    """Return the flows of the blueprints that ship, by file and name, the default ones first.

    Flows whose sub-flows are not among them are omitted.
    """
    found = dict[str, FlowDocument]()
    for file in [*sorted(_FOLDER.glob("default/*.yaml")), *sorted(_FOLDER.glob("example/*.yaml"))]:
        for node in nodes_of(file.read_bytes()):
            if node.get("flow") is not None:
                try:
                    document = parse_flow(node_to_value(node))
                except (InvalidFlowText, InvalidFlow):
                    continue  # it has tags, which only applying the blueprint resolves
                found[f"{re.sub('^[0-9]+-', '', file.stem)}/{document.flow}"] = document
    while broken := [
        key
        for key, each in found.items()
        if not all(_key_of(name, key, found) for name in sub_flow_names(each))
    ]:
        for key in broken:  # flows that refer to it are removed in the next iteration
            del found[key]
    return found


def _build_document(form: NewFlow) -> FlowDocument | None:
    """Return the draft for the form; None if the form has errors, which are added to it."""
    start = _starting_document(form)
    name = form.name or slugify(form.title)
    designation = form.designation or (start.designation if start else "")
    if designation not in DESIGNATIONS:
        form.errors["designation"] = _("Choose a purpose.")
    if not form.title:
        form.errors["title"] = _("Enter a display name.")
    if form.errors:
        return None
    values = start.as_json() if start else {"steps": []}
    default = designation != SUB_FLOW and live_version(designation) is None
    try:
        return parse_flow(
            {**values, "flow": name, "title": form.title, "for": designation, "default": default}
        )
    except InvalidFlow as refused:
        for finding in refused.findings:
            key = {"flow": "name", "title": "title"}.get(str(finding.path[0]) if finding.path else "", "like")
            form.errors[key] = (
                _("Use lowercase letters, digits, dashes and underscores, up to 50 characters.")
                if key == "name"
                else finding.message
            )
        return None


def _starting_document(form: NewFlow) -> FlowDocument | None:
    """Return the flow to start from; None for an empty one."""
    if not form.like:
        return None
    if form.like in shipped_flows():
        return shipped_flows()[form.like]
    try:
        return load(form.like).parsed()
    except (NoSuchVersion, InvalidFlow):
        form.errors["like"] = _("This flow no longer exists.")
        return None


PAGES = (ConsolePage("new-flow/", new, "flow-new", view_operation="flows.edit", post_operation="flows.edit"),)
