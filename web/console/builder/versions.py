"""Publishing a draft, and the versions of a flow with their differences and the rollback."""

from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from blueprints.files.emit import emit, order_keys
from flows.documents.diff import diff_flows
from flows.documents.document import FlowDocument
from flows.documents.lint import lint
from flows.documents.listings import VERSIONS
from flows.documents.versions import InvalidFlow, NoSuchVersion, only_errors
from flows.editing.drafts import DraftChanged, discard_draft, draft_of, publish_draft
from flows.editing.publishing import find_conflicts, roll_back
from flows.editing.revisions import DRAFT, FlowRevision, list_revisions, resolve_revision
from flows.simulation.flow_tests import findings_by_test
from idp.foundation.listing import ListQuery
from web.console.builder.change_lines import group_by_step
from web.console.builder.revisions import (
    LocatedFinding,
    RequestedRevision,
    draft_findings,
    flow_title,
    locate_findings,
)
from web.console.frame import ConsolePage, is_htmx_request, render_page, see_other
from web.console.objects.history import history
from web.console.requests import ConsoleRequest

_MAX_NOTE = 300
# Events about the flow itself; events of its runs are on their pages.
_EVENT_KINDS = (
    "flow.published,flow.rolled_back,flow.draft_discarded,flow.deleted,flow.inspected,flow.broken,"
    "flow.start_refused"
)


def versions(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the list of versions, newest first."""
    choices = _list_states(name)
    page = request.GET.get("page", "1")
    wish = ListQuery(
        filters={"flow": name}, page=int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1
    )
    rows, draft = VERSIONS.page(wish), draft_of(name)
    context: dict[str, Any] = {
        **RequestedRevision(name, "", choices).template_context,
        "rows": rows.rows,
        "draft": draft if draft and draft.has_changes else None,
        "history": history(request, {"kind": _EVENT_KINDS, "target": name}),
        "before": f"?page={wish.page - 1}" if wish.page > 1 else "",
        "after": f"?page={wish.page + 1}" if rows.has_next else "",
    }
    return render_page(
        request, "console/builder/versions.html", title=flow_title(name), part=_("Versions"), **context
    )


def version(request: ConsoleRequest, name: str, number: int) -> HttpResponse:
    """Render one version: its document, its changes, and its actions."""
    revision = _resolve_revision(name, str(number))
    details = VERSIONS.as_json(VERSIONS.rows().get(flow__name=name, number=number))
    earlier = [each.label for each in _list_states(name) if each.label.isdigit() and int(each.label) < number]
    changes = (
        group_by_step(diff_flows(_resolve_revision(name, earlier[0]).document, revision.document))
        if earlier
        else []
    )
    context: dict[str, Any] = {
        "details": details,
        "earlier": earlier[0] if earlier else "",
        "changes": changes,
        "yaml": _yaml(revision),
        "number": number,
    }
    return render_page(
        request,
        "console/builder/versions_one.html",
        title=_title(revision.document.title, number),
        **_frame_context(revision),
        **context,
    )


def export(request: ConsoleRequest, name: str, number: int) -> HttpResponse:
    """Return a version as a blueprint file that can be applied elsewhere."""
    response = HttpResponse(
        _yaml(_resolve_revision(name, str(number))), content_type="application/yaml; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}-{number}.yaml"'
    return response


def compare(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the differences between any two revisions of a flow."""
    choices = _list_states(name)
    numbers = [each.label for each in choices]
    live = next((each.label for each in choices if each.live), numbers[-1])
    new = request.GET.get("new", "") or numbers[0]
    old = request.GET.get("old", "") or _usual_comparison(new, live, numbers)
    before, after = _resolve_revision(name, old), _resolve_revision(name, new)
    context: dict[str, Any] = {
        "old": old,
        "new": new,
        "changes": group_by_step(diff_flows(before.document, after.document)),
    }
    template = (
        "console/builder/versions_diff_part.html"
        if is_htmx_request(request, "changes")
        else "console/builder/versions_diff.html"
    )
    frame = {**_frame_context(after), "choices": choices}
    return render_page(
        request, template, title=after.document.title, part=_("Compare versions"), **frame, **context
    )


def _usual_comparison(new: str, live: str, labels: list[str]) -> str:
    """Return the revision to compare with: the live one, or its predecessor if it is the live one itself."""
    if new != live:
        return live
    return next(iter(labels[labels.index(new) + 1 :]), new) if new in labels else new


def roll_back_page(request: ConsoleRequest, name: str, number: int) -> HttpResponse:
    """Show what an earlier version would change, and make it live again by POST."""
    revision, findings, status = _resolve_revision(name, str(number)), list[LocatedFinding](), 200
    if request.method == "POST":
        try:
            roll_back(name, number, by=request.person.username, note=_note(request))
        except InvalidFlow as refused:
            findings, status = locate_findings(name, refused.findings, revision.document.as_json()), 400
        else:
            return see_other(
                request,
                reverse("console:flow-versions", args=[name]),
                _("Version %(number)d is live.") % {"number": number},
            )
    live = _live_revision(name)
    changes = group_by_step(diff_flows(live.document, revision.document)) if live else []
    context: dict[str, Any] = {"number": number, "live": live, "changes": changes, "said": _note(request)}
    title = _("Roll back to version %(number)d") % {"number": number}
    frame = _frame_context(revision) | {"findings": findings}
    return render_page(
        request,
        "console/builder/versions_back.html",
        title=title,
        belongs_to=flow_title(name),
        status=status,
        **frame,
        **context,
    )


def publish(request: ConsoleRequest, name: str) -> HttpResponse:
    """Show the changes, findings and test results of the draft, and publish it by POST.

    A draft with errors is not published.
    """
    draft = draft_of(name)
    if draft is None:
        return _no_draft(request, name)
    moved, status, late = False, 200, dict[str, Any]()
    if request.method == "POST":
        try:
            return _publish(request, name)
        except DraftChanged:
            moved, status, draft = True, 409, draft_of(name) or draft
        except NoSuchVersion:
            return see_other(
                request,
                reverse("console:flow-versions", args=[name]),
                _("The draft no longer exists. Someone published or discarded it."),
            )
        except InvalidFlow as refused:
            status, late = (
                400,
                {"findings": locate_findings(name, refused.findings, draft.document), "refused": True},
            )
    context: dict[str, Any] = {
        "draft": draft,
        "moved": moved,
        "said": _note(request),
        **_publish_context(request, name),
        **late,
    }
    return render_page(
        request,
        "console/builder/publish.html",
        title=_("Publish"),
        belongs_to=flow_title(name),
        status=status,
        **context,
    )


def _publish(request: ConsoleRequest, name: str) -> HttpResponse:
    by = request.person.username
    published = publish_draft(
        name,
        by=by,
        note=_note(request),
        revision=_draft_revision(request),
        may_view_people=_may_name(request),
    )
    number = published.version.number
    words = (
        _("Version %(number)d is live.")
        if published.changed
        else _("No changes: version %(number)d is already live.")
    )
    return see_other(request, reverse("console:flow-versions", args=[name]), words % {"number": number})


def _no_draft(request: ConsoleRequest, name: str) -> HttpResponse:
    return render_page(
        request,
        "console/builder/publish_none.html",
        title=flow_title(name),
        part=_("Publish"),
        **RequestedRevision(name, "", _list_states(name)).template_context,
    )


def _publish_context(request: ConsoleRequest, name: str) -> dict[str, Any]:
    """Return the changes, findings and test results that publishing would produce."""
    choices = _list_states(name)
    try:
        revision = resolve_revision(name, DRAFT)
    except NoSuchVersion:
        raise Http404 from None
    except InvalidFlow as refused:
        frame = RequestedRevision(
            name, DRAFT, choices, findings=draft_findings(name, refused)
        ).template_context
        return {**frame, "errors": True, "changes": [], "tests": [], "live": _live_revision(name)}
    live, document = _live_revision(name), revision.document
    found = [*lint(document, revision.parts, planned_names={}), *find_conflicts(document)]
    tests = (
        []
        if only_errors(found)
        else [
            (test.name, [each.message.removeprefix(f"{test.name}: ") for each in wrong])
            for test, wrong in zip(
                document.tests,
                findings_by_test(document, revision.parts, may_view_people=_may_name(request)),
                strict=True,
            )
        ]
    )
    empty = FlowDocument.model_validate(
        {"flow": name, "title": document.title, "for": document.designation, "steps": ()}
    )
    return {
        **RequestedRevision(
            name, DRAFT, choices, revision, locate_findings(name, found, document.as_json())
        ).template_context,
        "errors": bool(only_errors(found)) or any(wrong for _name, wrong in tests),
        "changes": group_by_step(diff_flows(live.document if live else empty, document)),
        "tests": tests,
        "live": live,
    }


def discard(request: ConsoleRequest, name: str) -> HttpResponse:
    """Ask for confirmation, then discard the draft by POST."""
    draft, home = draft_of(name), reverse("console:flow-versions", args=[name])
    if draft is None:
        return _no_draft(request, name)
    if request.method == "POST":
        if discard_draft(name, by=request.person.username, revision=_draft_revision(request)):
            return see_other(request, home, _("Draft discarded."))
        return see_other(
            request,
            request.path,
            _("Someone changed the draft while you were reviewing it. Review again what would be lost."),
        )
    context: dict[str, Any] = {"draft": draft, **_publish_context(request, name)}
    return render_page(
        request,
        "console/builder/versions_discard.html",
        title=_("Discard draft?"),
        belongs_to=flow_title(name),
        **context,
    )


def _list_states(name: str) -> Any:
    choices = list_revisions(name)
    if not choices:
        raise Http404
    return choices


def _resolve_revision(name: str, which: str) -> FlowRevision:
    """Return a revision; 404 if it does not exist, or for a draft that is not a valid flow.

    The page that publishes the draft shows its errors.
    """
    try:
        return resolve_revision(name, which)
    except (NoSuchVersion, InvalidFlow):
        raise Http404 from None


def _live_revision(name: str) -> FlowRevision | None:
    number = next((each.label for each in list_revisions(name) if each.live), "")
    return resolve_revision(name, number) if number else None


def _draft_revision(request: ConsoleRequest) -> int:
    """Return the counter of the draft that the page has shown; 0, which no draft has, if it is invalid."""
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _frame_context(revision: FlowRevision) -> dict[str, Any]:
    return RequestedRevision(
        revision.name, revision.label, _list_states(revision.name), revision
    ).template_context


def _title(title: str, number: int) -> str:
    return _("%(flow)s, version %(number)d") % {"flow": title, "number": number}


def _may_name(request: ConsoleRequest) -> bool:
    return bool(request.may("people.see"))


def _note(request: ConsoleRequest) -> str:
    return request.POST.get("note", "").replace("\0", "").strip()[:_MAX_NOTE]


def _yaml(revision: FlowRevision) -> str:
    return emit([order_keys(FlowDocument, revision.document.as_json())])


PAGES = (
    ConsolePage("flows/<slug:name>/versions", versions, "flow-versions", view_operation="flows.see"),
    ConsolePage(
        "flows/<slug:name>/versions/<int:number>", version, "flow-version", view_operation="flows.see"
    ),
    ConsolePage(
        "flows/<slug:name>/versions/<int:number>/export", export, "flow-export", view_operation="flows.see"
    ),
    ConsolePage(
        "flows/<slug:name>/versions/<int:number>/roll-back",
        roll_back_page,
        "flow-roll-back",
        view_operation="flows.publish",
        post_operation="flows.publish",
    ),
    ConsolePage("flows/<slug:name>/compare", compare, "flow-compare", view_operation="flows.see"),
    ConsolePage(
        "flows/<slug:name>/publish",
        publish,
        "flow-publish",
        view_operation="flows.publish",
        post_operation="flows.publish",
    ),
    ConsolePage(
        "flows/<slug:name>/discard",
        discard,
        "flow-discard",
        view_operation="flows.edit",
        post_operation="flows.edit",
    ),
)
