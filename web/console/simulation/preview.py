"""The preview of a flow: the real page of every step with the tenant's branding, without a run."""

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.contrib.staticfiles import finders
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from flows.documents.layout import FlowTooLarge, Layout, lay_out
from flows.editing.revisions import FlowRevision
from flows.simulation.preview import Preview, preview_step
from web.console.builder.cards import stage_title
from web.console.builder.revisions import requested_revision
from web.console.frame import ConsolePage, render_page
from web.console.requests import ConsoleRequest
from web.middleware.headers import content_security_policy
from web.pages.flow import render_run

SCHEMES = ("light", "dark")
STATES = ("first", "wrong")
_FACES = {"guarded": _("With a second factor"), "plain": _("With a password only")}
_STATES = {"first": _("Initial"), "wrong": _("With error")}
_SCHEMES = {"light": _("Light"), "dark": _("Dark")}
_MEDIA = re.compile(r"@media \(prefers-color-scheme: dark\)")


def overview(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the steps of a flow, and the page of one of them on a phone and on a desktop."""
    requested = requested_revision(name, request.GET)
    if requested.revision is None:
        return render_page(
            request,
            "console/simulation/preview.html",
            title=requested.title,
            part=_("Preview"),
            **requested.template_context,
        )
    steps = _steps(requested.revision)
    step = request.GET.get("step", "") or (steps[0]["id"] if steps else "")
    if step and step not in [each["id"] for each in steps]:
        raise Http404
    query = _selection(request, step)
    faces = _previews(requested.revision, step, query["state"]) if step else []
    shown = next((each for each in faces if each.persona == query["face"]), faces[0] if faces else None)
    page = shown and _frameable_page(shown)
    context: dict[str, Any] = {
        "steps": [{**each, "url": _address(query, step=each["id"], face="")} for each in steps],
        "step": step,
        "shown": shown,
        "page": page,
        "fields": [str(each.label) for each in page.form] if page and page.form else [],
        "page_url": reverse("console:flow-preview-page", args=[name]) + _address(query),
        **_options(query, faces, shown),
    }
    response = render_page(
        request,
        "console/simulation/preview.html",
        title=requested.title,
        part=_("Preview"),
        **requested.template_context,
        **context,
    )
    response["Content-Security-Policy"] = content_security_policy(request, frame_src="'self'")
    return response


def _options(query: dict[str, str], faces: list[Preview], shown: Preview | None) -> dict[str, Any]:
    """Return the links to the other previews of the step, each with whether it is the current one."""
    return {
        "faces": [
            (
                each.persona == (shown and shown.persona),
                _address(query, face=each.persona),
                _FACES[each.persona],
            )
            for each in faces
        ],
        "states": [
            (state == query["state"], _address(query, state=state), _STATES[state]) for state in STATES
        ],
        "schemes": [
            (scheme == query["scheme"], _address(query, scheme=scheme), _SCHEMES[scheme])
            for scheme in SCHEMES
        ],
        "scheme": query["scheme"],
    }


def _selection(request: ConsoleRequest, step: str) -> dict[str, str]:
    return {
        "which": request.GET.get("which", "")[:20],
        "step": step,
        "state": _choice(request, "state", STATES),
        "scheme": _choice(request, "scheme", SCHEMES),
        "face": request.GET.get("face", "")[:20],
    }


def preview_page(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the page of a step for a frame.

    It has no script, no form that can be submitted, and nothing that takes the focus.
    """
    requested = requested_revision(name, request.GET)
    steps = [each["id"] for each in _steps(requested.revision)] if requested.revision else []
    step, scheme = request.GET.get("step", "") or next(iter(steps), ""), _choice(request, "scheme", SCHEMES)
    if requested.revision is None or step not in steps:
        raise Http404
    faces = _previews(requested.revision, step, _choice(request, "state", STATES))
    shown = next((each for each in faces if each.persona == request.GET.get("face")), faces[0])
    page, overrides = (
        _frameable_page(shown),
        {"inert": True, "stylesheet": reverse("console:preview-style", args=[scheme])},
    )
    if page is None:
        response = render(
            request, "console/simulation/preview_none.html", {"title": _("No page"), **overrides}
        )
    else:
        response = render_run(request, replace(page, context={**page.context, **overrides}))
    changed = {
        "script_src": "'none'",
        "connect_src": "'none'",
        "form_action": "'none'",
        "frame_ancestors": "'self'",
    }
    response["Content-Security-Policy"] = content_security_policy(request, **changed)
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def style(request: ConsoleRequest, scheme: str) -> HttpResponse:
    """Return the style sheet of the pages for one color scheme, independent of the browser's preference."""
    if scheme not in SCHEMES:
        raise Http404
    return HttpResponse(
        _style(scheme),
        content_type="text/css; charset=utf-8",
        headers={"Cache-Control": "private, max-age=300"},
    )


@lru_cache(maxsize=2)
def _style(scheme: str) -> str:
    text = Path(str(finders.find("web/foyer.css"))).read_text()
    text = _MEDIA.sub("@media all" if scheme == "dark" else "@media not all", text)
    return text.replace("color-scheme: light dark", f"color-scheme: {scheme}")


def _previews(revision: FlowRevision, step: str, state: str) -> list[Preview]:
    return preview_step(revision.document, revision.parts, step, after_wrong_answer=state == "wrong")


def _frameable_page(shown: Preview) -> Any:
    """Return the page if a frame can show it; a redirect is described as text instead."""
    return shown.page if shown.page and shown.page.kind != "leave" else None


def _steps(revision: FlowRevision) -> list[dict[str, Any]]:
    """Return the steps that a person may encounter, in order, each with its depth."""
    try:
        layout: Layout = lay_out(revision.document, revision.parts)
    except FlowTooLarge:
        return []
    found = []
    for node in layout.nodes:
        if node.definition.stage:
            found.append(
                {
                    "id": node.id,
                    "title": stage_title(node.definition.stage),
                    "depth": min(len(node.ancestors), 4),
                }
            )
    return found


def _choice(request: ConsoleRequest, name: str, values: tuple[str, ...]) -> str:
    value = request.GET.get(name, "")
    return value if value in values else values[0]


def _address(selection: dict[str, str], **changed: str) -> str:
    kept = {
        name: value
        for name, value in {**selection, **changed}.items()
        if value and value not in (STATES[0], SCHEMES[0])
    }
    return "?" + urlencode(kept)


PAGES = (
    ConsolePage("flows/<slug:name>/preview", overview, "flow-preview", view_operation="flows.see"),
    ConsolePage(
        "flows/<slug:name>/preview/page", preview_page, "flow-preview-page", view_operation="flows.see"
    ),
    ConsolePage("preview/<slug:scheme>.css", style, "preview-style", view_operation="flows.see"),
)
