"""Configuration as YAML: preview, apply, results, drift and export."""

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from ninja.params.functions import Query

from blueprints.files.apply import latest_results
from blueprints.files.drift import find_drift
from blueprints.files.export import export
from blueprints.files.plan import Plan
from blueprints.files.plan_text import as_json
from blueprints.files.uploads import apply_upload, plan_upload
from web.api import schemas
from web.api.admin.operations import OperationRouter
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import json_response

operations = OperationRouter("blueprints")
_SEE: dict[str, Any] = {"permission": "blueprints.see"}


@operations.add(
    "POST",
    "/plan",
    permission="blueprints.apply",
    name="plan_blueprint",
    title="Preview a blueprint",
    responses={200: schemas.BlueprintPlan},
)
def plan(request: ApiRequest, body: schemas.PlanBlueprintRequest) -> HttpResponse:
    """Return what applying a blueprint would change.

    Nothing is saved. Read access isn't enough, because the result reveals whether a password matches.
    """
    return json_response(
        _plan_response(plan_upload(body.text, person=request.auth, name=body.name, prune=body.prune))
    )


@operations.add(
    "POST",
    "/apply",
    permission="blueprints.apply",
    name="apply_blueprint",
    title="Apply a blueprint",
    responses={200: schemas.BlueprintPlan},
    errors=(412,),
)
def apply(request: ApiRequest, body: schemas.ApplyBlueprintRequest) -> HttpResponse:
    """Apply a blueprint, all or nothing.

    Only for this tenant. The installation's owner may change other tenants too.
    """
    return json_response(_plan_response(apply_upload(**body.model_dump(), person=request.auth)))


@operations.add(
    "GET", "/drift", name="list_drift", title="List drift", responses={200: schemas.DriftList}, **_SEE
)
def list_drift(request: ApiRequest) -> HttpResponse:
    """Return the keys that were changed since a blueprint was applied, and by whom."""
    return json_response({"drifted": [asdict(each) for each in find_drift()]})


@operations.add(
    "GET",
    "/results",
    permission="tenants.see",
    name="list_blueprint_results",
    title="List blueprint results",
    responses={200: schemas.BlueprintResults},
)
def list_results(request: ApiRequest) -> HttpResponse:
    """Return the last 20 attempts in the whole installation, with their errors.

    The attempts of one tenant are in its audit log as `blueprint.applied`.
    """
    names = ("at", "blueprint", "by", "succeeded", "counts", "messages")
    return json_response(
        {"results": [{name: getattr(row, name) for name in names} for row in latest_results()]}
    )


@operations.add(
    "GET",
    "/export",
    name="export_blueprint",
    title="Export a blueprint",
    responses={200: schemas.BlueprintExport},
    errors=(400,),
    **_SEE,
)
def export_blueprint(
    request: ApiRequest, flow: str = Query("", max_length=50), people: bool = True
) -> HttpResponse:
    """Return the tenant as a blueprint, optionally without people, or one flow with its sub-flows."""
    return json_response({"text": export(flow=flow.replace("\0", ""), without=() if people else ("person",))})


router = operations.router


def _plan_response(plan: Plan) -> dict[str, Any]:
    data = as_json(plan)
    return {**data, "missing": data.pop("missing_secrets")}
