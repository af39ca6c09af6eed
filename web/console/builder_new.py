"""A new flow: empty, like one that the tenant has, or like one that ships; it begins as a draft."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import blueprints
from blueprints.nodes import parse as nodes_of
from blueprints.recipes import dashed
from flows.designations import DESIGNATIONS, PART
from flows.desk import begin, desk
from flows.document import FlowDocument
from flows.versions import NoSuchVersion, RefusedFlow, every, live_version, parse
from web.console.builder_yaml import BadText, plain
from web.console.frame import Page, see, show
from web.console.problems import of_errors

_TITLES = {
    "title": ("title", gettext_lazy("Title")),
    "name": ("name", gettext_lazy("Name")),
    "like": ("like", gettext_lazy("Begin with")),
    "designation": ("designation", gettext_lazy("For")),
}
_FOLDER = Path(blueprints.__file__).parent


@dataclass
class NewFlow:
    """What was typed, and what is wrong with it. ``like``: the key of the flow to begin with, "" for an empty one."""

    title: str = ""
    name: str = ""
    designation: str = ""
    like: str = ""
    errors: dict[str, str] = field(default_factory=dict)


def new(request: HttpRequest) -> HttpResponse:
    """A form; a POST makes the draft and opens it in the builder."""
    form = NewFlow(like=request.GET.get("like", ""), designation=request.GET.get("for", ""))
    if request.method == "POST":
        typed = {name: request.POST.get(name, "").replace("\0", " ").strip() for name in ("title", "name", "designation", "like")}
        form = NewFlow(typed["title"], typed["name"], typed["designation"], typed["like"])
        document = _document(form)
        if document and begin(document, by=request.person.username):  # type: ignore[attr-defined]
            return see(request, reverse("console:builder", args=[document.flow]), _("Draw it here. Nobody meets it before you publish it."))
        if document:
            form.errors["name"] = _("There is a flow with this name already.")
    context = {
        "form": form,
        "problems": of_errors({name: [text] for name, text in form.errors.items()}, _TITLES),
        "designations": [(each.name, each.title) for each in DESIGNATIONS.values()],
        "shipped": [(key, f"{document.title} ({key.partition('/')[0]})") for key, document in shipped().items()],
        "own": [flow.name for flow in every()],
    }
    return show(request, "console/builder/new.html", title=_("New flow"), status=400 if form.errors else 200, **context)


@lru_cache(maxsize=1)
def shipped() -> dict[str, FlowDocument]:
    """The flows of the blueprints that ship, by file and name; the default ones first."""
    found = {}
    for file in [*sorted(_FOLDER.glob("default/*.yaml")), *sorted(_FOLDER.glob("example/*.yaml"))]:
        for node in nodes_of(file.read_bytes()):
            if node.get("flow") is not None:
                try:
                    document = parse(plain(node))
                except (BadText, RefusedFlow):
                    continue  # one that is filled in when it is applied
                found[f"{re.sub('^[0-9]+-', '', file.stem)}/{document.flow}"] = document
    return found


def _document(form: NewFlow) -> FlowDocument | None:
    """The draft for which the form asks; None where something is wrong with it, which is then noted."""
    first = _first(form)
    name = form.name or dashed(form.title)
    designation = form.designation or (first.designation if first else "")
    if designation not in DESIGNATIONS:
        form.errors["designation"] = _("Choose what it is for.")
    if not form.title:
        form.errors["title"] = _("Give it a title.")
    if form.errors:
        return None
    said = first.as_json() if first else {"steps": []}
    default = designation != PART and live_version(designation) is None
    try:
        return parse({**said, "flow": name, "title": form.title, "for": designation, "default": default})
    except RefusedFlow as refused:
        for finding in refused.findings:
            key = {"flow": "name", "title": "title"}.get(str(finding.path[0]) if finding.path else "", "like")
            form.errors[key] = _("Use a to z, digits, dashes and underscores; at most 50 characters.") if key == "name" else finding.message
        return None


def _first(form: NewFlow) -> FlowDocument | None:
    """What it begins with."""
    if not form.like:
        return None
    if form.like in shipped():
        return shipped()[form.like]
    try:
        return desk(form.like).parsed()
    except (NoSuchVersion, RefusedFlow):
        form.errors["like"] = _("There is no such flow any more.")
        return None


PAGES = (Page("new-flow/", new, "flow-new", see="flows.edit", do="flows.edit"),)
