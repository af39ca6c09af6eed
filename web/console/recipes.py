"""Applications from recipes, the setup page with example programs, and new secrets."""

from collections.abc import Collection
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import ValidationError

from blueprints.objects import edit, recipes
from blueprints.objects.recipes import RECIPES, Recipe, RecipeInput
from idp.accounts.people import group_names
from idp.accounts.roles import operations_of
from idp.oauth.clients import SecretRotationConflict, rotate_secret
from idp.oauth.snippets import build_snippets
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage, render_page
from web.console.objects.form_errors import FormProblem, form_problems
from web.console.objects.forms import SchemaForm
from web.console.requests import ConsoleRequest
from web.console.shown_once import clear_one_time_values, read_one_time_values, redirect_with_one_time_values
from web.pages.oauth import get_issuer

_APPLICATIONS = RESOURCES["applications"]
_ICONS = {  # SVG paths in a view box of 24 by 24
    "tv": "M3 5h18v11H3zM8 20h8M12 16v4",
    "cli": "M3 4h18v16H3zM7 9l3 3-3 3M12 15h5",
    "kiosk": "M7 2h10v12H7zM12 14v5M7 21h10M12 19v2",
    "service": "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01",
}


def choose(request: ConsoleRequest) -> HttpResponse:
    """Render the choice of a recipe."""
    shown = [(recipe, _ICONS[recipe.name]) for recipe in RECIPES.values()]
    context: dict[str, Any] = {"recipes": shown, "back_url": _list_url(), "resource": _APPLICATIONS}
    return render_page(request, "console/recipes.html", title=_("Create application"), **context)


def ask(request: ConsoleRequest, kind: str) -> HttpResponse:
    """Render the questions of one recipe.

    A POST creates the application and redirects to its setup page, which shows the secret once.
    """
    recipe = RECIPES.get(kind)
    if recipe is None:
        raise Http404
    person: Any = request.person
    form, status = _form(recipe, operations_of(person)), 200
    if request.method == "POST":
        answers = form.read(request.POST)
        try:
            created = recipes.create_application(
                recipe, RecipeInput.model_validate(answers), by=person.username, rights=operations_of(person)
            )
        except ValidationError as invalid:
            form.add_errors(invalid)
            status = 400
        except edit.InvalidObject as refused:
            form.add_errors(refused.errors)
            status = 400
        else:
            notice = _("Created %(title)s. Copy a program below or try it in the playground.") % {
                "title": answers["title"]
            }
            return _redirect_to_setup(request, created.name, created.secret, notice)
    context: dict[str, Any] = {
        "recipe": recipe,
        "form": form,
        "back_url": reverse("console:application-new"),
        "cancel_url": _list_url(),
    }
    context["problems"] = form_problems(form)
    return render_page(request, "console/recipe.html", title=recipe.title, status=status, **context)


def setup(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render how to set up a device or service for this application, with its values and example programs.

    A secret that was just created is included once.
    """
    row = _APPLICATIONS.listing.get(name)
    if row is None:
        raise Http404
    issuer, values = get_issuer(request), read_one_time_values(request, f"application {name}")
    context: dict[str, Any] = {
        "application": row,
        "issuer": issuer,
        "secret": values.get("secret", ""),
        "ready": values.get("notice", ""),
        "programs": _programs(row, issuer, values.get("secret", "")),
        "settings_url": reverse("console:applications-one", args=[name]),
        "back_url": _list_url(),
        "resource": _APPLICATIONS,
    }
    page = render_page(request, "console/application_setup.html", title=row.title, **context)
    return clear_one_time_values(page, f"application {name}") if values else page


def secret(request: ConsoleRequest, name: str) -> HttpResponse:
    """Ask for confirmation, then create a new secret and redirect to the page that shows it.

    The old secret no longer works.
    """
    row = _APPLICATIONS.listing.get(name)
    if row is None or not row.confidential:
        raise Http404
    error = ""
    if request.method == "POST":
        try:
            renewed = rotate_secret(name, by=request.person)
        except SecretRotationConflict as refused:
            error = str(refused)
        else:
            return _redirect_to_setup(
                request, name, renewed, _("Secret rotated. The old secret no longer works.")
            )
    context = {
        "application": row,
        "problems": [FormProblem(error)] if error else [],
        "back_url": reverse("console:application-setup", args=[name]),
    }
    return render_page(
        request,
        "console/application_secret.html",
        title=_("Rotate secret"),
        status=409 if error else 200,
        **context,
    )


def _redirect_to_setup(request: ConsoleRequest, name: str, new_secret: str, notice: str) -> HttpResponse:
    """Redirect to the setup page of the application, with a notice and the secret if there is one."""
    url = reverse("console:application-setup", args=[name])
    return redirect_with_one_time_values(
        request, url, f"application {name}", {"secret": new_secret, "notice": notice}
    )


def _programs(row: Any, issuer: str, shown_secret: str) -> list[tuple[str, list[Any]]]:
    """Return the example programs, grouped by the kind of program."""
    found: dict[str, list[Any]] = {}
    for snippet in build_snippets(row, issuer, shown_secret):
        found.setdefault(snippet.program, []).append(snippet)
    return list(found.items())


def _form(recipe: Recipe, rights: Collection[str]) -> SchemaForm:
    choices = {
        "groups": lambda: [(name, name) for name in group_names()],
        "scopes": lambda: recipes.scopes_for(recipe, rights),
    }
    return SchemaForm(
        RecipeInput,
        {"scopes": ["profile"] if recipe.for_people else []},
        choices=choices,
        exclude=recipe.excluded_questions,
        is_new=True,
    )


def _list_url() -> str:
    return reverse("console:applications")


PAGES = (
    ConsolePage("applications/new", choose, "application-new", view_operation="applications.edit"),
    ConsolePage(
        "applications/new/<slug:kind>",
        ask,
        "application-recipe",
        view_operation="applications.edit",
        post_operation="applications.edit",
    ),
    ConsolePage(
        "applications/setup/<slug:name>", setup, "application-setup", view_operation="applications.see"
    ),
    ConsolePage(
        "applications/secret/<slug:name>",
        secret,
        "application-secret",
        view_operation="applications.edit",
        post_operation="applications.edit",
    ),
)
