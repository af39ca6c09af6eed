"""Flows as an administrator's program edits, publishes, compares and tries them."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from ninja.params.functions import Query
from pydantic import TypeAdapter, ValidationError

from flows.documents import versions
from flows.documents.diff import difference
from flows.documents.document import Name
from flows.documents.lint import Finding, lint
from flows.documents.listings import RUNS, VERSIONS
from flows.documents.versions import RefusedFlow, version_of
from flows.editing import drafts, publishing
from flows.editing.drafts import draft_of
from flows.editing.revisions import Chosen, choose
from flows.editing.saved_tests import as_test, check_answers, keep_test
from flows.simulation.flow_tests import rehearse
from flows.simulation.funnel import funnel, under_way
from flows.simulation.inspector import look_into
from flows.simulation.simulate import Report, ending, simulate
from idp.accounts.roles import may, require
from web.api.admin import flow_schemas as say
from web.api.admin.failures import InvalidDocument, NoSuchThing
from web.api.admin.object_schemas import page_of, wish_of
from web.api.admin.objects import page
from web.api.admin.operations import Calls
from web.api.admin.preconditions import check, quoted, unless_known
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer, empty
from web.api.body import BodyParser

calls = Calls("flows")
_name, _parser = TypeAdapter(Name), BodyParser()
_SEE: dict[str, Any] = {"needs": "flows.see"}
_BOTH = ("If-Match", "If-None-Match")


@calls.add(
    "GET",
    "/{slug:name}/draft",
    name="get_flow_draft",
    title="Get a flow draft",
    answers={200: say.FlowDraft, 304: None},
    headers=_BOTH[1:],
    **_SEE,
)
def get_draft(request: ApiRequest, name: str) -> HttpResponse:
    """Return the draft. The `ETag` header identifies the version."""
    return unless_known(request, _told(_draft(name)))


@calls.add(
    "PUT",
    "/{slug:name}/draft",
    needs="flows.edit",
    name="save_flow_draft",
    title="Save a flow draft",
    answers={200: say.FlowDraft, 201: say.FlowDraft},
    fails=(412, 428),
    body="AnyFlow",
    headers=_BOTH,
)
def put_draft(request: ApiRequest, name: str) -> HttpResponse:
    """Save the draft, valid or not. Replacing an existing draft requires `If-Match`."""
    try:
        _name.validate_python(name)
    except ValidationError:
        raise InvalidDocument(
            {"flow": ["A flow ID has lowercase letters, digits, dashes and underscores, 50 at most."]}
        ) from None
    document = _parser.parse_body(request)
    if document.get("flow", name) != name:
        raise InvalidDocument({"flow": ["The name differs from the one in the path."]})
    before = draft_of(name)
    check(request, _state(before) if before else None, wanted=True)
    by, revision = request.auth.username, before.revision if before else None
    drafts.save_draft(name, {**document, "flow": name}, by=by, revision=revision)
    return _told(_draft(name), 200 if before else 201)


@calls.add(
    "DELETE",
    "/{slug:name}/draft",
    needs="flows.edit",
    name="discard_flow_draft",
    title="Discard a flow draft",
    answers={204: None},
    fails=(412,),
    headers=_BOTH,
)
def delete_draft(request: ApiRequest, name: str) -> HttpResponse:
    """Discard the draft. This can't be undone."""
    draft = _draft(name)
    check(request, _state(draft))
    if not drafts.discard_draft(name, by=request.auth.username, revision=draft.revision):
        raise drafts.DraftMoved(draft.revision)
    return empty(204)


@calls.add(
    "POST",
    "/{slug:name}/publish",
    needs="flows.publish",
    name="publish_flow",
    title="Publish a flow",
    answers={200: say.FlowLive},
    fails=(409, 412),
    headers=_BOTH[:1],
)
def publish_flow(request: ApiRequest, name: str, body: say.Publish) -> HttpResponse:
    """Publish the draft, after it passed validation and the flow's tests."""
    draft = _draft(name)
    check(request, _state(draft))
    person = request.auth
    more: dict[str, Any] = {"note": body.note, "revision": draft.revision, "names": may(person, "people.see")}
    published = drafts.publish_draft(name, by=person.username, **more)
    return answer({"version": published.version.number, "changed": published.changed})


@calls.add(
    "POST",
    "/{slug:name}/rollback",
    needs="flows.publish",
    name="roll_back_flow",
    title="Roll back a flow",
    answers={200: say.FlowLive},
    fails=(409,),
)
def roll_back(request: ApiRequest, name: str, body: say.RollBack) -> HttpResponse:
    """Publish an earlier version again, unchanged."""
    before = version_of(name, body.version).flow.live
    live = publishing.roll_back(name, body.version, by=request.auth.username, note=body.note)
    return answer({"version": live.number, "changed": before != live})


# the framework's way
def list_versions(request: ApiRequest, name: str, asked: Any = Query(...)) -> HttpResponse:  # noqa: B008
    """Return all published versions, newest first."""
    return page(request, VERSIONS, asked, flow=name)


def list_runs(request: ApiRequest, name: str, asked: Any = Query(...)) -> HttpResponse:  # noqa: B008
    """Return current and recent runs of this flow."""
    return page(request, RUNS, asked, flow=name)


for _view, _listing, _noun, _needs in (
    (list_versions, VERSIONS, "Version", "flows.see"),
    (list_runs, RUNS, "Run", "runs.inspect"),
):
    _view.__annotations__["asked"] = wish_of(_listing, _noun, ("flow",))
    calls.add(
        "GET",
        f"/{{slug:name}}/{_listing.name}/",
        needs=_needs,
        name=f"list_flow_{_listing.name}",
        title=f"List flow {_listing.name}",
        answers={200: page_of(_listing, _noun)},
        fails=(400,),
    )(_view)


@calls.add(
    "GET",
    "/{slug:name}/versions/{int:number}",
    name="get_flow_version",
    title="Get a flow version",
    answers={200: say.FlowVersion},
    **_SEE,
)
def get_version(request: ApiRequest, name: str, number: int) -> HttpResponse:
    """Return one version with its document."""
    row = version_of(name, number)
    told = {
        "number": row.number,
        "live": row.flow.live_id == row.pk,
        "created": row.created_at,
        "author": row.author,
        "note": row.note,
    }
    return answer({**told, "document": row.document, "parts": row.parts})


@calls.add(
    "GET",
    "/{slug:name}/diff",
    name="compare_flow_versions",
    title="Compare flow versions",
    answers={200: say.FlowDifference},
    fails=(400, 409),
    **_SEE,
)
def compare(
    request: ApiRequest,
    name: str,
    old: str = Query("live", pattern=r"^(live|draft|[1-9][0-9]{0,6})$"),
    new: str = Query("draft", pattern=r"^(live|draft|[1-9][0-9]{0,6})$"),
) -> HttpResponse:
    """Return the differences between two of `live`, `draft` and a version number."""
    sides = [choose(name, str(version_of(name).number) if each == "live" else each) for each in (old, new)]
    changes = [asdict(each) for each in difference(sides[0].document, sides[1].document)]
    return answer({"old": sides[0].which, "new": sides[1].which, "changes": changes})


@calls.add(
    "POST",
    "/{slug:name}/lint",
    name="validate_flow",
    title="Validate a flow",
    answers={200: say.FlowFindings},
    fails=(409,),
    writes=False,
    **_SEE,
)
def check_flow(request: ApiRequest, name: str, body: say.Which) -> HttpResponse:
    """Return the problems of a flow, and which of its tests fail. Nothing is saved."""
    chosen = choose(name, body.which)
    found = lint(chosen.document, chosen.parts, names={})
    names = may(request.auth, "people.see")
    failed = [] if versions.errors_of(found) else rehearse(chosen.document, chosen.parts, names=names)
    return answer({"findings": _findings(found), "tests": _findings(failed)})


@calls.add(
    "POST",
    "/{slug:name}/simulate",
    name="dry_run_flow",
    title="Dry run a flow",
    answers={200: say.FlowWalk},
    fails=(409,),
    writes=False,
    **_SEE,
)
def walk(request: ApiRequest, name: str, body: say.Walk) -> HttpResponse:
    """Return what each step would do and why. Nothing is saved or sent."""
    chosen = choose(name, body.which)
    reports = _walked(request, chosen, body)
    return answer(
        {"which": chosen.which, "ends": ending(reports), "steps": [asdict(each) for each in reports]}
    )


@calls.add(
    "POST",
    "/{slug:name}/tests",
    needs="flows.edit",
    name="save_flow_test",
    title="Save a flow test",
    answers={201: say.FlowDraft},
    fails=(409, 412),
    headers=_BOTH,
)
def keep_walk(request: ApiRequest, name: str, body: say.KeptWalk) -> HttpResponse:
    """Dry run the flow and add the result to the draft as a test. Without a draft, one is created."""
    chosen, draft = choose(name, body.which), draft_of(name)
    check(request, _state(draft) if draft else None)
    reports = _walked(request, chosen, body)
    check_answers(chosen.document, chosen.parts, body.answers)
    test = as_test(body.name, body.person, body.request, body.answers, reports)
    keep_test(name, test, by=request.auth.username, revision=draft.revision if draft else 0)
    return _told(_draft(name), 201)


@calls.add(
    "GET",
    "/{slug:name}/funnel",
    needs="runs.count",
    name="get_flow_funnel",
    title="Get the funnel of a flow",
    answers={200: say.FlowCounts},
    fails=(400,),
)
def counts(
    request: ApiRequest, name: str, version: int | None = Query(None, ge=1, le=1_000_000)
) -> HttpResponse:
    """Return how many runs reached each step of a version (default: the published one), how they went on, and
    how many runs are in progress.

    Steps whose numbers would identify people are omitted if your role can't see people.
    """
    row, people = version_of(name, version), may(request.auth, "people.see")
    names = ("reached", "finished", "refused", "left", "mean_seconds", "median_seconds")
    steps = [
        {"step": step, **{each: getattr(count, each) for each in names}}
        for step, count in sorted(funnel(row, people=people).items())
    ]
    return answer({"version": row.number, "under_way": under_way(name), "steps": steps})


@calls.add(
    "GET",
    "/{slug:name}/runs/{slug:run}",
    needs="runs.inspect",
    name="get_flow_run",
    title="Get a flow run",
    answers={200: say.FlowRun},
)
def inspect_run(request: ApiRequest, name: str, run: str) -> HttpResponse:
    """Return one run: its path with the reasons, and its facts without secrets.

    Viewing a run is recorded in the audit log, because it is about a person.
    """
    person = request.auth
    return answer(asdict(look_into(run, by=person.username, people=may(person, "people.see"), flow=name)))


router = calls.router


def _walked(request: ApiRequest, chosen: Chosen, body: say.Walk) -> list[Report]:
    if isinstance(body.person, str) and body.person:
        require(request.auth, "people.see")  # conditions show what they read of a person
    told: dict[str, Any] = {"parts": chosen.parts, "person": body.person or None, "request": body.request}
    names = may(request.auth, "people.see")
    return simulate(chosen.document, body.answers, **told, judges=False, names=names)


def _draft(name: str) -> Any:
    draft = draft_of(name)
    if draft is None:
        raise NoSuchThing
    return draft


def _state(draft: Any) -> str:
    """Names this state of this draft: one that is begun anew counts its revisions from one again."""
    return f"{draft.pk}-{draft.revision}"


def _told(draft: Any, status: int = 200) -> HttpResponse:
    try:
        chosen = choose(draft.flow.name, "draft")
        findings = lint(chosen.document, chosen.parts, names={})
    except RefusedFlow as refused:
        findings = refused.findings
    told = {
        "document": draft.document,
        "revision": draft.revision,
        "author": draft.author,
        "updated": draft.updated_at,
    }
    base = draft.base.number if draft.base else None
    return answer({**told, "base": base, "findings": _findings(findings)}, status, ETag=quoted(_state(draft)))


def _findings(found: Iterable[Finding]) -> list[dict[str, Any]]:
    return [{"path": list(each.path), "message": each.message, "level": each.level} for each in found]
