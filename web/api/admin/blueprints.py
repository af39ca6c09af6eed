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


@calls.add("POST", "/plan", needs="blueprints.apply", name="plan-blueprint", answers={200: say.BlueprintPlan})
def plan(request: ApiRequest, body: say.PlanWish) -> HttpResponse:
    """What applying a blueprint would do.

    Nothing is written; that a password in it is what is stored shows, so to read is not enough.
    """
    return answer(_told(plan_sent(body.text, person=request.auth, name=body.name, prune=body.prune)))


@calls.add(
    "POST",
    "/apply",
    needs="blueprints.apply",
    name="apply-blueprint",
    answers={200: say.BlueprintPlan},
    fails=(412,),
)
def apply(request: ApiRequest, body: say.ApplyWish) -> HttpResponse:
    """Makes everything as the blueprint says, or nothing.

    Only this tenant; the installation's owner may name others.
    """
    return answer(_told(apply_sent(**body.model_dump(), person=request.auth)))


@calls.add("GET", "/drift", name="list-drift", answers={200: say.Drifts}, **_SEE)
def drift(request: ApiRequest) -> HttpResponse:
    """What was changed by hand since it was applied, key by key, and by whom."""
    return answer({"drifted": [asdict(each) for each in drifted()]})


@calls.add(
    "GET", "/results", needs="tenants.see", name="list-blueprint-results", answers={200: say.BlueprintResults}
)
def listed(request: ApiRequest) -> HttpResponse:
    """The last twenty attempts of the whole installation, with what was wrong.

    One tenant's are among its events: `blueprint.applied`.
    """
    names = ("at", "blueprint", "by", "succeeded", "counts", "messages")
    return answer({"results": [{name: getattr(row, name) for name in names} for row in results()]})


@calls.add("GET", "/export", name="export-blueprint", answers={200: say.Exported}, fails=(400,), **_SEE)
def exported(request: ApiRequest, flow: str = Query("", max_length=50), people: bool = True) -> HttpResponse:
    """The tenant as a blueprint, without people if so said; or one flow with the flows that are in it."""
    return answer({"text": export(flow=flow.replace("\0", ""), without=() if people else ("person",))})


router = calls.router


def _told(plan: Plan) -> dict[str, Any]:
    told = as_json(plan)
    return {**told, "missing": told.pop("missing_secrets")}
