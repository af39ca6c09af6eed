"""The blueprint pages: applied blueprints, drift, plan and application of an upload, secrets, export."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from blueprints.files import drift, secrets
from blueprints.files.apply import PlanChanged, latest_results
from blueprints.files.export import NoSuchFlow, export
from blueprints.files.plan import Plan
from blueprints.files.problems import BadBlueprint
from blueprints.files.uploads import apply_upload, plan_upload
from flows.documents.listings import FLOWS
from idp.accounts.roles import NotAllowed, OwnPassword
from idp.events.listings import EVENTS
from idp.foundation.listing import ListQuery
from idp.tenancy.scope import current_tenant
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import FormProblem
from web.console.objects.history import history
from web.console.requests import ConsoleRequest

_MAX_SHOWN = 500
_MAX_LENGTH = 300
_MAX_DRIFTED = 50
_TO_DO = {
    "create": gettext_lazy("to create"),
    "update": gettext_lazy("to change"),
    "delete": gettext_lazy("to delete"),
}
_DONE = {
    "create": gettext_lazy("created"),
    "update": gettext_lazy("changed"),
    "delete": gettext_lazy("deleted"),
}
_MAX_UPLOAD_BYTES = 1024 * 1024
_EVENT_FILTER = {
    "kind": "blueprint.applied,blueprint.drifted,blueprint.drift_ended,secret.set,secret.removed"
}
_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_. -]{0,99}\Z")


def blueprints(request: ConsoleRequest) -> HttpResponse:
    """Render the applied blueprints, the drifted objects and the names of the secrets."""
    may = request.may
    owned, drifted = RESOURCES["owned"].listing.page(ListQuery(size=1)), drift.stored_drift()
    rows = [{**each, "keys": list(map(_side_by_side, each["keys"]))} for each in drifted[:_MAX_DRIFTED]]
    context: dict[str, Any] = {
        "attempts": _attempts(everywhere=may("tenants.see")),
        "drifted": rows,
        "more_drifted": max(0, len(drifted) - _MAX_DRIFTED),
        "owned": owned.total,
        "owned_url": reverse("console:owned"),
        "secrets": secrets.names(),
        "watched": bool(settings.BLUEPRINTS),
        "folder": settings.BLUEPRINTS if may("tenants.see") else "",
        "history": history(request, _EVENT_FILTER),
        "flows": [row["name"] for row in FLOWS.page(ListQuery(size=200)).rows if row["version"]],
    }
    return render_page(request, "console/blueprints.html", title=_("Blueprints"), **context)


def plan(request: ConsoleRequest) -> HttpResponse:
    """Render a form for a YAML text, and its plan after a POST; nothing is written."""
    if request.method != "POST":
        return _render_plan(request, {"text": "", "name": "", "prune": False})
    form = _read_form(request)
    if error := form["wrong"]:
        return _render_plan(request, form, error=error, status=400)
    options: dict[str, Any] = {
        "person": request.person,
        "name": form["name"] or "console",
        "prune": form["prune"],
    }
    try:
        planned = plan_upload(form["text"], **options)
    except BadBlueprint as bad:
        return _render_plan(request, form, faults=_locate_problems(bad, form["text"]), status=400)
    except NotAllowed as refused:
        return _render_plan(request, form, error=_role_error(refused), status=403)
    return _render_plan(request, form, plan=planned)


def apply(request: ConsoleRequest) -> HttpResponse:
    """Apply exactly the plan that was previewed.

    If the configuration no longer matches the previewed plan, such as after a repeated POST, nothing is
    applied and the new plan is shown.
    """
    form = _read_form(request)
    expect = request.POST.get("expect", "")
    options: dict[str, Any] = {
        "person": request.person,
        "name": form["name"] or "console",
        "prune": form["prune"],
    }
    if form["wrong"] or not expect:
        return _render_plan(request, form, error=form["wrong"] or _("Preview the changes first."), status=400)
    try:
        done = apply_upload(form["text"], expect=expect, **options)
    except BadBlueprint as bad:
        return _render_plan(request, form, faults=_locate_problems(bad, form["text"]), status=400)
    except NotAllowed as refused:
        return _render_plan(request, form, error=_role_error(refused), status=403)
    except PlanChanged:
        return _render_changed(request, form, options)
    return see_other(
        request,
        reverse("console:blueprints"),
        _("Applied: %(counts)s.") % {"counts": format_counts(done.counts)},
    )


def check_drift(request: ConsoleRequest) -> HttpResponse:
    """Check for drift now instead of at the next check, which happens every ten minutes."""
    drift.record_drift()
    count = len(drift.stored_drift())
    message = ngettext(
        "%(many)d object has drifted from its blueprint.",
        "%(many)d objects have drifted from their blueprints.",
        count,
    ) % {"many": count}
    return see_other(request, reverse("console:blueprints"), message if count else _("No drift."))


def secret(request: ConsoleRequest) -> HttpResponse:
    """Save or delete a secret of blueprints.

    No page shows its value again. A GET asks for confirmation of the deletion.
    """
    if request.method != "POST":
        return _confirm_deletion(request, request.GET.get("name", ""))
    name, value, by = (
        request.POST.get("name", "").strip(),
        request.POST.get("value", ""),
        request.person.username,
    )
    back = reverse("console:blueprints")
    if "forget" in request.POST:
        return see_other(
            request,
            back,
            _("Secret deleted.")
            if secrets.remove(name.replace("\0", ""), by=by)
            else _("This secret doesn't exist."),
        )
    try:
        secrets.check(name, value)
    except secrets.BadSecret as bad:
        return see_other(request, back, str(bad))
    secrets.save(name, value, by=by)
    return see_other(
        request,
        back,
        _("Secret saved. Use it in blueprints as !secret %(name)s.") % {"name": name},
    )


def _confirm_deletion(request: ConsoleRequest, name: str) -> HttpResponse:
    back = reverse("console:blueprints")
    if name not in secrets.names():
        return see_other(request, back, _("This secret doesn't exist."))
    asks = _(
        "The value is deleted permanently. Existing objects keep working, but blueprints that use this "
        "secret can't create new objects."
    )
    words: dict[str, Any] = {
        "asks": asks,
        "what": name,
        "button": _("Delete"),
        "hidden": {"name": name, "forget": "1"},
    }
    return render_page(
        request,
        "console/objects/ask.html",
        title=_("Delete this secret?"),
        trail=_("Blueprints"),
        trail_url=back,
        **words,
    )


def download(request: ConsoleRequest) -> HttpResponse:
    """Return the whole tenant, or one flow with its sub-flows, as a blueprint file.

    Secrets are included by name, without their values.
    """
    flow = request.GET.get("flow", "").replace("\0", "")
    try:
        text = export(flow=flow, without=["person"] if "without_people" in request.GET else ())
    except NoSuchFlow:
        raise Http404 from None
    name = "-".join(filter(None, (current_tenant().name, re.sub(r"[^a-z0-9-]", "", flow)[:50])))
    return HttpResponse(
        text,
        content_type="application/yaml",
        headers={"Content-Disposition": f'attachment; filename="{name}.yaml"'},
    )


def format_counts(counts: Mapping[str, int], words: Mapping[str, Any] = _DONE) -> str:
    """Return counts by action as text, such as ``3 created, 1 changed``."""
    return ", ".join(f"{counts[action]} {word}" for action, word in words.items() if counts.get(action)) or _(
        "no changes"
    )


def _role_error(refused: NotAllowed) -> str:
    if isinstance(refused, OwnPassword):
        return str(refused)
    return _(
        "This blueprint changes or creates people with a higher role than yours. Ask someone with that "
        "role to apply it."
    )


def _render_changed(request: ConsoleRequest, form: dict[str, Any], options: dict[str, Any]) -> HttpResponse:
    """Render the current plan with status 409, because it differs from the previewed one."""
    error = _(
        "The configuration changed since this preview, so nothing was applied. Here are the changes as of "
        "now."
    )
    try:
        return _render_plan(request, form, error=error, plan=plan_upload(form["text"], **options), status=409)
    except BadBlueprint as bad:
        return _render_plan(request, form, faults=_locate_problems(bad, form["text"]), status=409)
    except NotAllowed as refused:
        return _render_plan(request, form, error=_role_error(refused), status=403)


def _render_plan(
    request: ConsoleRequest,
    form: dict[str, Any],
    *,
    plan: Plan | None = None,
    error: str = "",
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    context["problems"] = [FormProblem(error)] if error else []
    if plan:
        context["plan"] = {
            "changes": [_change(change) for change in plan.effective[:_MAX_SHOWN]],
            "more": max(0, len(plan.effective) - _MAX_SHOWN),
            "counts": format_counts(plan.counts, _TO_DO),
            "unchanged": plan.counts["unchanged"],
            "missing": plan.missing,
            "notes": plan.notes,
            "state": plan.digest if plan.effective and not plan.missing else "",
        }
    context |= {"said": form, "everywhere": request.may("tenants.edit"), "here": current_tenant().name}
    return render_page(
        request, "console/blueprints_plan.html", title=_("Import blueprint"), status=status, **context
    )


def _read_form(request: ConsoleRequest) -> dict[str, Any]:
    """Return the values of the form; the text is that of the uploaded file if there is one."""
    text, error = request.POST.get("text", "").replace("\r\n", "\n"), ""
    upload: Any = request.FILES.get("file")
    if upload:
        try:
            text = upload.read(_MAX_UPLOAD_BYTES + 1).decode("utf-8")
        except UnicodeDecodeError:
            text, error = "", _("The file isn't valid UTF-8.")
    name = request.POST.get("name", "").strip()
    if not text.strip():
        error = error or _("Paste a blueprint or choose a file.")
    elif name and not _NAME.match(name):
        error = _("Use only letters, digits, spaces, dots, dashes and underscores in the name.")
    return {"text": text, "name": name, "prune": "prune" in request.POST, "wrong": error}


def _change(change: Any) -> dict[str, Any]:
    keys = [{"key": key.key, **_side_by_side({"old": key.old, "new": key.new})} for key in change.keys]
    return {
        "action": change.action,
        "tenant": change.tenant,
        "kind": change.kind,
        "name": change.name,
        "keys": keys,
    }


def _side_by_side(key: Mapping[str, Any]) -> dict[str, Any]:
    return {**key, "old": _display_value(key["old"]), "new": _display_value(key["new"])}


def _display_value(value: Any) -> str | None:
    """Return a value as text for a diff; None if there is no value."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text or _("(empty)")
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"


def _locate_problems(bad: BadBlueprint, text: str) -> list[dict[str, Any]]:
    """Return the problems, each with the source line that it is about."""
    lines = text.splitlines()
    return [
        {
            "line": each.line,
            "column": each.column,
            "key": each.key,
            "message": each.message,
            "source": lines[each.line - 1][:200] if each.line <= len(lines) else "",
        }
        for each in bad.problems[:_MAX_SHOWN]
    ]


def _attempts(*, everywhere: bool) -> list[dict[str, Any]]:
    """Return the latest attempts to apply a blueprint.

    ``everywhere``: those of the whole installation, for its owner; otherwise those of this tenant, read from
    its events.
    """
    if everywhere:
        return [
            {
                "at": row.at.isoformat(),
                "name": row.blueprint,
                "by": row.by,
                "summary": format_counts(row.counts),
                "failed": not row.succeeded,
                "messages": row.messages,
            }
            for row in latest_results()
        ]
    rows = EVENTS.page(ListQuery(filters={"kind": "blueprint.applied"}, size=20)).rows
    return [
        {
            "at": row["at"],
            "name": row["target"],
            "by": row["actor"],
            "summary": format_counts(row["data"].get("counts", {})),
        }
        for row in rows
    ]


PAGES = (
    ConsolePage("blueprints/", blueprints, "blueprints", view_operation="blueprints.see"),
    ConsolePage(
        "blueprints/plan",
        plan,
        "blueprints-plan",
        view_operation="blueprints.apply",
        post_operation="blueprints.apply",
    ),
    ConsolePage(
        "blueprints/apply", apply, "blueprints-apply", view_operation="", post_operation="blueprints.apply"
    ),
    ConsolePage(
        "blueprints/look",
        check_drift,
        "blueprints-look",
        view_operation="",
        post_operation="blueprints.apply",
    ),
    ConsolePage(
        "blueprints/secret",
        secret,
        "blueprints-secret",
        view_operation="blueprints.apply",
        post_operation="blueprints.apply",
    ),
    ConsolePage("blueprints/export", download, "blueprints-export", view_operation="blueprints.see"),
)
