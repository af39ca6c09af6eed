"""Configuration as YAML, for programs: plan, apply, what came of it, what drifted, export."""

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from ninja.params.functions import Query

from blueprints.files.apply import results
from blueprints.files.drift import drifted
from blueprints.files.export import export
from blueprints.files.plan import Plan
from blueprints.files.plan_text import as_json
from blueprints.files.uploads import apply_sent, plan_sent
from web.api import schemas as say
from web.api.admin.operations import Calls
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer

calls = Calls("blueprints")
_SEE: dict[str, Any] = {"needs": "blueprints.see"}


@calls.add(
    "POST",
    "/plan",
    needs="blueprints.apply",
    name="plan_blueprint",
    title="Preview a blueprint",
    answers={200: say.BlueprintPlan},
)
def plan(request: ApiRequest, body: say.PlanWish) -> HttpResponse:
    """Return what applying a blueprint would change.

    Nothing is saved. Read access isn't enough, because the result tells whether a password matches.
    """
    return answer(_told(plan_sent(body.text, person=request.auth, name=body.name, prune=body.prune)))


@calls.add(
    "POST",
    "/apply",
    needs="blueprints.apply",
    name="apply_blueprint",
    title="Apply a blueprint",
    answers={200: say.BlueprintPlan},
    fails=(412,),
)
def apply(request: ApiRequest, body: say.ApplyWish) -> HttpResponse:
    """Apply a blueprint, all or nothing.

    Only for this tenant. The installation's owner may change other tenants too.
    """
    return answer(_told(apply_sent(**body.model_dump(), person=request.auth)))


@calls.add("GET", "/drift", name="list_drift", title="List drift", answers={200: say.Drifts}, **_SEE)
def drift(request: ApiRequest) -> HttpResponse:
    """Return the keys that were changed since a blueprint was applied, and by whom."""
    return answer({"drifted": [asdict(each) for each in drifted()]})


@calls.add(
    "GET",
    "/results",
    needs="tenants.see",
    name="list_blueprint_results",
    title="List blueprint results",
    answers={200: say.BlueprintResults},
)
def listed(request: ApiRequest) -> HttpResponse:
    """Return the last 20 attempts in the whole installation, with their errors.

    The attempts of one tenant are in its audit log as `blueprint.applied`.
    """
    names = ("at", "blueprint", "by", "succeeded", "counts", "messages")
    return answer({"results": [{name: getattr(row, name) for name in names} for row in results()]})


@calls.add(
    "GET",
    "/export",
    name="export_blueprint",
    title="Export a blueprint",
    answers={200: say.Exported},
    fails=(400,),
    **_SEE,
)
def exported(request: ApiRequest, flow: str = Query("", max_length=50), people: bool = True) -> HttpResponse:
    """Return the tenant as a blueprint, optionally without people, or one flow with its sub-flows."""
    return answer({"text": export(flow=flow.replace("\0", ""), without=() if people else ("person",))})


router = calls.router


def _told(plan: Plan) -> dict[str, Any]:
    told = as_json(plan)
    return {**told, "missing": told.pop("missing_secrets")}
