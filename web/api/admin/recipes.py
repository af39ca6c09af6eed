"""Recipes: their questions, the application that they create, and sample programs for it."""

from collections.abc import Collection
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel, Field

from blueprints.objects import edit, recipes
from blueprints.objects.recipes import RECIPES, Recipe, RecipeInput, scopes_for
from idp.accounts.people import group_names
from idp.accounts.roles import operations_of
from idp.oauth.snippets import build_snippets
from web.administration.resources import RESOURCES
from web.api.admin.failures import InvalidDocument, ResourceNotFound
from web.api.admin.object_schemas import document_schema
from web.api.admin.operations import OperationRouter
from web.api.admin.preconditions import quote_etag
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import json_response
from web.pages.oauth import get_issuer

_RECIPES, _APPLICATIONS = OperationRouter("recipes"), OperationRouter("applications")


class RecipeAnswers(RecipeInput):
    """Answers to the questions of a recipe."""


class RecipeChoice(BaseModel):
    """One possible answer and what it means."""

    value: str
    title: str


class RecipeQuestion(BaseModel):
    """One question, with its possible answers if they are limited."""

    name: str
    title: str
    description: str
    required: bool
    choices: list[RecipeChoice]


class RecipeReason(BaseModel):
    """A setting that the recipe preconfigures, and why."""

    title: str
    reason: str


class RecipeKind(BaseModel):
    """A kind of application: its questions, and the settings it preconfigures, as in a blueprint."""

    name: str = Field(description="The name in the path, to create an application.")
    title: str
    about: str
    document: dict[str, Any]
    always: list[str] = Field(description="Scopes that are always included.")
    why: list[RecipeReason]
    questions: list[RecipeQuestion]


class RecipeKinds(BaseModel):
    """All recipes."""

    recipes: list[RecipeKind]


class SetupProgram(BaseModel):
    """A complete program. Save and run it."""

    program: str = Field(description="What the program acts as.", examples=["device", "service"])
    language: str
    suffix: str = Field(description="The suffix of the file name.")
    text: str


class ApplicationSetup(BaseModel):
    """The configuration of a device or service, and sample programs that contain it.

    The programs have a placeholder for the secret.
    """

    issuer: str
    client_id: str
    programs: list[SetupProgram]


class CreatedApplicationSetup(ApplicationSetup):
    """The created application.

    Its client secret is shown only here, and is part of the sample programs in this response.
    """

    application: document_schema("application")  # type: ignore[valid-type]
    client_secret: str = Field(description="Empty: public clients have no secret.")


@_RECIPES.add(
    "GET",
    "/",
    permission="applications.edit",
    name="list_recipes",
    title="List recipes",
    responses={200: RecipeKinds},
)
def list_recipes(request: ApiRequest) -> HttpResponse:
    """Return all recipes: kinds of applications that are configured by a few answers."""
    return json_response(
        {"recipes": [_recipe_data(each, operations_of(request.auth)) for each in RECIPES.values()]}
    )


@_RECIPES.add(
    "POST",
    "/{slug:name}",
    permission="applications.edit",
    name="create_application_from_recipe",
    title="Create an application from a recipe",
    responses={201: CreatedApplicationSetup},
    errors=(409,),
)
def create_application(request: ApiRequest, name: str, body: RecipeAnswers) -> HttpResponse:
    """Create an application from a recipe. Its client secret, if any, is shown only in this response."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ResourceNotFound
    if unknown := [each for each in recipe.excluded_questions if each in body.model_fields_set]:
        raise InvalidDocument({each: ["This recipe has no such question."] for each in unknown})
    created = recipes.create_application(
        recipe, body, by=request.auth.username, rights=operations_of(request.auth)
    )
    application = edit.load("application", created.name)
    if application is None:  # deleted in the meantime
        raise ResourceNotFound
    data = {
        "application": application.document,
        "client_secret": created.secret,
        **_setup_data(request, created.name, created.secret),
    }
    return json_response(
        data, 201, ETag=quote_etag(application.digest), Location=f"/api/applications/{created.name}"
    )


@_APPLICATIONS.add(
    "GET",
    "/{any:key}/setup",
    permission="applications.see",
    name="get_application_setup",
    title="Get the setup of an application",
    responses={200: ApplicationSetup},
)
def get_setup(request: ApiRequest, key: str) -> HttpResponse:
    """Return the configuration and sample programs for this application."""
    return json_response(_setup_data(request, key))


ROUTERS = (("/recipes", _RECIPES.router), ("/applications", _APPLICATIONS.router))


def _setup_data(request: ApiRequest, name: str, secret: str = "") -> dict[str, Any]:
    row = RESOURCES["applications"].listing.get(name)
    if row is None:
        raise ResourceNotFound
    issuer = get_issuer(request)
    programs = [
        {"program": each.program, "language": each.language, "suffix": each.suffix, "text": each.text}
        for each in build_snippets(row, issuer, secret)
    ]
    return {"issuer": issuer, "client_id": row.client_id, "programs": programs}


def _recipe_data(recipe: Recipe, rights: Collection[str]) -> dict[str, Any]:
    choices = {"groups": [(name, name) for name in group_names()], "scopes": scopes_for(recipe, rights)}
    questions = [
        {
            "name": name,
            "title": field.title,
            "description": field.description or "",
            "required": field.is_required(),
            "choices": [{"value": value, "title": title} for value, title in choices.get(name, ())],
        }
        for name, field in RecipeInput.model_fields.items()
        if name not in recipe.excluded_questions
    ]
    return {
        "name": recipe.name,
        "title": recipe.title,
        "about": recipe.about,
        "document": recipe.document,
        "always": recipe.always,
        "why": [{"title": title, "reason": reason} for title, reason in recipe.why],
        "questions": questions,
    }
