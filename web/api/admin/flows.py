"""Operations on flows: edit, publish, compare, validate, dry run and inspect."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from ninja.params.functions import Query
from pydantic import TypeAdapter, ValidationError

from flows.documents import versions
from flows.documents.diff import diff_flows
from flows.documents.document import FlowName
from flows.documents.lint import Finding, lint
from flows.documents.listings import RUNS, VERSIONS
from flows.documents.versions import InvalidFlow, version_of
from flows.editing import drafts, publishing, saved_tests
from flows.editing.drafts import draft_of
from flows.editing.revisions import FlowRevision, resolve_revision
from flows.editing.saved_tests import build_flow_test, check_answers
from flows.simulation import inspector
from flows.simulation.flow_tests import run_flow_tests
from flows.simulation.funnel import count_active_runs, funnel
from flows.simulation.simulate import StepReport, run_result, simulate
from idp.accounts.roles import may, require
from web.api.admin import flow_schemas as schemas
from web.api.admin.failures import InvalidDocument, ResourceNotFound
from web.api.admin.object_schemas import page_schema, query_schema
from web.api.admin.objects import page_response
from web.api.admin.operations import OperationRouter
from web.api.admin.preconditions import check_preconditions, conditional_response, quote_etag
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import empty_response, json_response
from web.api.body import BodyParser

operations = OperationRouter("flows")
_name, _parser = TypeAdapter(FlowName), BodyParser()
_SEE: dict[str, Any] = {"permission": "flows.see"}
_PRECONDITIONS = ("If-Match", "If-None-Match")


@operations.add(
    "GET",
    "/{slug:name}/draft",
    name="get_flow_draft",
    title="Get a flow draft",
    responses={200: schemas.FlowDraft, 304: None},
    headers=_PRECONDITIONS[1:],
    **_SEE,
)
def get_draft(request: ApiRequest, name: str) -> HttpResponse:
    """Return the draft. The `ETag` header identifies the version."""
    return conditional_response(request, _draft_response(_draft(name)))


@operations.add(
    "PUT",
    "/{slug:name}/draft",
    permission="flows.edit",
    name="save_flow_draft",
    title="Save a flow draft",
    responses={200: schemas.FlowDraft, 201: schemas.FlowDraft},
    errors=(412, 428),
    body="AnyFlow",
    headers=_PRECONDITIONS,
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
    check_preconditions(request, _draft_etag(before) if before else None, required=True)
    by, revision = request.auth.username, before.revision if before else None
    drafts.save_draft(name, {**document, "flow": name}, by=by, revision=revision)
    return _draft_response(_draft(name), 200 if before else 201)


@operations.add(
    "DELETE",
    "/{slug:name}/draft",
    permission="flows.edit",
    name="discard_flow_draft",
    title="Discard a flow draft",
    responses={204: None},
    errors=(412,),
    headers=_PRECONDITIONS,
)
def delete_draft(request: ApiRequest, name: str) -> HttpResponse:
    """Discard the draft. This can't be undone."""
    draft = _draft(name)
    check_preconditions(request, _draft_etag(draft))
    if not drafts.discard_draft(name, by=request.auth.username, revision=draft.revision):
        raise drafts.DraftChanged(draft.revision)
    return empty_response(204)


@operations.add(
    "POST",
    "/{slug:name}/publish",
    permission="flows.publish",
    name="publish_flow",
    title="Publish a flow",
    responses={200: schemas.PublishedFlow},
    errors=(409, 412),
    headers=_PRECONDITIONS[:1],
)
def publish_flow(request: ApiRequest, name: str, body: schemas.PublishRequest) -> HttpResponse:
    """Publish the draft, after it passed validation and the flow's tests."""
    draft = _draft(name)
    check_preconditions(request, _draft_etag(draft))
    person = request.auth
    more: dict[str, Any] = {
        "note": body.note,
        "revision": draft.revision,
        "may_view_people": may(person, "people.see"),
    }
    published = drafts.publish_draft(name, by=person.username, **more)
    return json_response({"version": published.version.number, "changed": published.changed})


@operations.add(
    "POST",
    "/{slug:name}/rollback",
    permission="flows.publish",
    name="roll_back_flow",
    title="Roll back a flow",
    responses={200: schemas.PublishedFlow},
    errors=(409,),
)
def roll_back(request: ApiRequest, name: str, body: schemas.RollBackRequest) -> HttpResponse:
    """Publish an earlier version again, unchanged."""
    before = version_of(name, body.version).flow.live
    live = publishing.roll_back(name, body.version, by=request.auth.username, note=body.note)
    return json_response({"version": live.number, "changed": before != live})


# django-ninja requires Query(...) as the default
def list_versions(request: ApiRequest, name: str, query: Any = Query(...)) -> HttpResponse:  # noqa: B008
    """Return all published versions, newest first."""
    return page_response(request, VERSIONS, query, flow=name)


def list_runs(request: ApiRequest, name: str, query: Any = Query(...)) -> HttpResponse:  # noqa: B008
    """Return current and recent runs of this flow."""
    return page_response(request, RUNS, query, flow=name)


for _view, _listing, _noun, _needs in (
    (list_versions, VERSIONS, "Version", "flows.see"),
    (list_runs, RUNS, "Run", "runs.inspect"),
):
    _view.__annotations__["query"] = query_schema(_listing, _noun, ("flow",))
    operations.add(
        "GET",
        f"/{{slug:name}}/{_listing.name}/",
        permission=_needs,
        name=f"list_flow_{_listing.name}",
        title=f"List flow {_listing.name}",
        responses={200: page_schema(_listing, _noun)},
        errors=(400,),
    )(_view)


@operations.add(
    "GET",
    "/{slug:name}/versions/{int:number}",
    name="get_flow_version",
    title="Get a flow version",
    responses={200: schemas.FlowVersion},
    **_SEE,
)
def get_version(request: ApiRequest, name: str, number: int) -> HttpResponse:
    """Return one version with its document."""
    row = version_of(name, number)
    data = {
        "number": row.number,
        "live": row.flow.live_id == row.pk,
        "created": row.created_at,
        "author": row.author,
        "note": row.note,
    }
    return json_response({**data, "document": row.document, "parts": row.parts})


@operations.add(
    "GET",
    "/{slug:name}/diff",
    name="compare_flow_versions",
    title="Compare flow versions",
    responses={200: schemas.FlowDifference},
    errors=(400, 409),
    **_SEE,
)
def compare(
    request: ApiRequest,
    name: str,
    old: str = Query("live", pattern=r"^(live|draft|[1-9][0-9]{0,6})$"),
    new: str = Query("draft", pattern=r"^(live|draft|[1-9][0-9]{0,6})$"),
) -> HttpResponse:
    """Return the differences between two of `live`, `draft` and a version number."""
    sides = [
        resolve_revision(name, str(version_of(name).number) if each == "live" else each)
        for each in (old, new)
    ]
    changes = [asdict(each) for each in diff_flows(sides[0].document, sides[1].document)]
    return json_response({"old": sides[0].label, "new": sides[1].label, "changes": changes})


@operations.add(
    "POST",
    "/{slug:name}/lint",
    name="validate_flow",
    title="Validate a flow",
    responses={200: schemas.FlowFindings},
    errors=(409,),
    writes=False,
    **_SEE,
)
def validate_flow(request: ApiRequest, name: str, body: schemas.FlowSelection) -> HttpResponse:
    """Return the problems of a flow, and which of its tests fail. Nothing is saved."""
    revision = resolve_revision(name, body.which)
    found = lint(revision.document, revision.parts, planned_names={})
    names = may(request.auth, "people.see")
    failed = (
        []
        if versions.only_errors(found)
        else run_flow_tests(revision.document, revision.parts, may_view_people=names)
    )
    return json_response({"findings": _findings(found), "tests": _findings(failed)})


@operations.add(
    "POST",
    "/{slug:name}/simulate",
    name="dry_run_flow",
    title="Dry run a flow",
    responses={200: schemas.DryRunResult},
    errors=(409,),
    writes=False,
    **_SEE,
)
def dry_run_flow(request: ApiRequest, name: str, body: schemas.DryRunRequest) -> HttpResponse:
    """Return what each step would do and why. Nothing is saved or sent."""
    revision = resolve_revision(name, body.which)
    reports = _dry_run(request, revision, body)
    return json_response(
        {"which": revision.label, "ends": run_result(reports), "steps": [asdict(each) for each in reports]}
    )


@operations.add(
    "POST",
    "/{slug:name}/tests",
    permission="flows.edit",
    name="save_flow_test",
    title="Save a flow test",
    responses={201: schemas.FlowDraft},
    errors=(409, 412),
    headers=_PRECONDITIONS,
)
def save_flow_test(request: ApiRequest, name: str, body: schemas.FlowTestRequest) -> HttpResponse:
    """Dry run the flow and add the result to the draft as a test. Without a draft, one is created."""
    revision, draft = resolve_revision(name, body.which), draft_of(name)
    check_preconditions(request, _draft_etag(draft) if draft else None)
    reports = _dry_run(request, revision, body)
    check_answers(revision.document, revision.parts, body.answers)
    test = build_flow_test(body.name, body.person, body.request, body.answers, reports)
    saved_tests.save_flow_test(name, test, by=request.auth.username, revision=draft.revision if draft else 0)
    return _draft_response(_draft(name), 201)


@operations.add(
    "GET",
    "/{slug:name}/funnel",
    permission="runs.count",
    name="get_flow_funnel",
    title="Get the funnel of a flow",
    responses={200: schemas.FlowCounts},
    errors=(400,),
)
def get_funnel(
    request: ApiRequest, name: str, version: int | None = Query(None, ge=1, le=1_000_000)
) -> HttpResponse:
    """Return how many runs reached each step of a version, how they went on, and how many are in progress.

    The default is the published version. Steps whose numbers would identify people are omitted if your role
    can't see people.
    """
    row, people = version_of(name, version), may(request.auth, "people.see")
    names = ("reached", "finished", "refused", "left", "mean_seconds", "median_seconds")
    steps = [
        {"step": step, **{each: getattr(count, each) for each in names}}
        for step, count in sorted(funnel(row, may_view_people=people).items())
    ]
    return json_response({"version": row.number, "under_way": count_active_runs(name), "steps": steps})


@operations.add(
    "GET",
    "/{slug:name}/runs/{slug:run}",
    permission="runs.inspect",
    name="get_flow_run",
    title="Get a flow run",
    responses={200: schemas.FlowRun},
)
def inspect_run(request: ApiRequest, name: str, run: str) -> HttpResponse:
    """Return one run: its path with the reasons, and its facts without secrets.

    Viewing a run is recorded in the audit log, because it is about a person.
    """
    person = request.auth
    return json_response(
        asdict(
            inspector.inspect_run(
                run, by=person.username, may_view_people=may(person, "people.see"), flow=name
            )
        )
    )


router = operations.router


def _dry_run(request: ApiRequest, revision: FlowRevision, body: schemas.DryRunRequest) -> list[StepReport]:
    if isinstance(body.person, str) and body.person:
        require(request.auth, "people.see")  # the result shows which attributes of the person conditions read
    data: dict[str, Any] = {
        "sub_flows": revision.parts,
        "person": body.person or None,
        "request": body.request,
    }
    names = may(request.auth, "people.see")
    return simulate(revision.document, body.answers, **data, verify_answers=False, may_view_people=names)


def _draft(name: str) -> Any:
    draft = draft_of(name)
    if draft is None:
        raise ResourceNotFound
    return draft


def _draft_etag(draft: Any) -> str:
    """Return the ETag of a draft.

    It contains the key of the draft, because a draft that is created again counts its revisions from one.
    """
    return f"{draft.pk}-{draft.revision}"


def _draft_response(draft: Any, status: int = 200) -> HttpResponse:
    try:
        revision = resolve_revision(draft.flow.name, "draft")
        findings = lint(revision.document, revision.parts, planned_names={})
    except InvalidFlow as refused:
        findings = refused.findings
    data = {
        "document": draft.document,
        "revision": draft.revision,
        "author": draft.author,
        "updated": draft.updated_at,
    }
    base = draft.base.number if draft.base else None
    return json_response(
        {**data, "base": base, "findings": _findings(findings)}, status, ETag=quote_etag(_draft_etag(draft))
    )


def _findings(found: Iterable[Finding]) -> list[dict[str, Any]]:
    return [{"path": list(each.path), "message": each.message, "level": each.level} for each in found]
