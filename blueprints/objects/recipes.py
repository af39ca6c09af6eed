"""Create applications by recipe: a few questions, and safe defaults for that kind of client."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, ConfigDict

from blueprints.objects import edit
from flows.settings import Text, setting
from idp.oauth.clients import describe_scopes, new_secret, scope_names
from idp.oauth.scopes import STANDARD_SCOPES, administrative_scopes

_MAX_NAME_LENGTH = 50  # the maximum length of the name of an application or a flow
_INCLUDED_SCOPES = ("openid", "offline_access")  # included in the recipe, never offered
_ADMINISTRATION_SCOPES = ("foyer:read", "foyer:write")


class RecipeInput(BaseModel):
    """The questions of a recipe."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: str = setting(
        ...,
        title=_("Name"),
        description=_("People see this name when they connect it."),
        min_length=1,
        max_length=100,
    )
    groups: list[str] = setting(
        [],
        title=_("Restrict to groups"),
        description=_("Leave empty to allow everyone."),
    )
    scopes: list[str] = setting([], title=_("Scopes"))


@dataclass(frozen=True)
class Recipe:
    """One kind of application.

    ``document`` is the part of the application that does not depend on the answers, as in a blueprint.
    ``always`` lists the scopes that are included. ``why`` lists the choices and the reason for each, as an
    administrator reads them. ``for_people`` says whether people use the application; a service acts on its
    own behalf. ``administers`` says whether the application may be granted administration access, which no
    device in a public place should have.
    """

    name: str
    title: Text
    about: Text
    document: Mapping[str, Any]
    why: tuple[tuple[Text, Text], ...]
    always: tuple[str, ...] = ()
    for_people: bool = True
    administers: bool = False

    @property
    def excluded_questions(self) -> tuple[str, ...]:
        """The questions that do not apply to this kind."""
        return () if self.for_people else ("groups",)


@dataclass(frozen=True)
class CreatedApplication:
    """An application that was just created.

    ``secret`` belongs to a confidential application and is shown only once; it is "" for a public one.
    """

    name: str
    secret: str = field(default="", repr=False)


_CODE = _("People enter the code on another device. It needs no browser and no keyboard.")
_PUBLIC = _("Public client: no secret, because devices can't keep one.")
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        each.name: each
        for each in (
            Recipe(
                "tv",
                _("TV or appliance"),
                _(
                    "Has a screen that shows a code or a QR code: a television, a set-top box, a printer, "
                    "a car."
                ),
                {
                    "type": "public",
                    "grants": ["device_code", "refresh_token"],
                    "device": {"code_lifetime": "10m", "interval": "5s"},
                    "access_token_lifetime": "10m",
                    "refresh_token_lifetime": "30d",
                },
                (
                    (_("Device code"), _CODE),
                    (_("Public"), _PUBLIC),
                    (_("30-day session"), _("Signs out after 30 days of inactivity.")),
                ),
                always=("openid", "offline_access"),
            ),
            Recipe(
                "cli",
                _("Command-line tool"),
                _("Runs in a terminal, on a laptop or on a server you reach over SSH."),
                {
                    "type": "public",
                    "grants": ["device_code", "refresh_token"],
                    "device": {"code_lifetime": "10m", "interval": "5s"},
                    "access_token_lifetime": "10m",
                    "refresh_token_lifetime": "7d",
                },
                (
                    (_("Device code"), _CODE),
                    (_("Public"), _PUBLIC),
                    (_("7-day session"), _("Signs out after 7 days of inactivity.")),
                ),
                always=("openid", "offline_access"),
                administers=True,
            ),
            Recipe(
                "kiosk",
                _("Kiosk"),
                _("Used in public or shared places: a check-in desk, a shop floor, a shared tablet."),
                {
                    "type": "public",
                    "grants": ["device_code", "refresh_token"],
                    "device": {"code_lifetime": "3m", "interval": "5s", "pending_limit_per_address": 5},
                    "access_token_lifetime": "5m",
                    "refresh_token_lifetime": "8h",
                },
                (
                    (_("Device code"), _CODE),
                    (
                        _("Short codes"),
                        _("Codes expire after 3 minutes; only a few can be pending at once."),
                    ),
                    (
                        _("8-hour session"),
                        _("Signs out after 8 hours of inactivity; access tokens last 5 minutes."),
                    ),
                ),
                always=("openid", "offline_access"),
            ),
            Recipe(
                "service",
                _("Service"),
                _("Acts on its own behalf, without a user: a nightly job, another server."),
                {"type": "confidential", "grants": ["client_credentials"], "access_token_lifetime": "10m"},
                (
                    (
                        _("Client credentials"),
                        _("Authenticates with a secret and gets a token for itself, never for a person."),
                    ),
                    (_("Confidential"), _("The secret is generated here, shown once and stored hashed.")),
                    (
                        _("10-minute tokens"),
                        _("Access tokens last 10 minutes; the service then requests a new one."),
                    ),
                ),
                for_people=False,
            ),
        )
    }
)


def scopes_for(recipe: Recipe, rights: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return (name, title) of the scopes that a person with these rights may choose for the application."""
    if not recipe.for_people:
        excluded = {*STANDARD_SCOPES}
    elif recipe.administers and "applications.approve" in rights:
        excluded = {*_INCLUDED_SCOPES}
    else:
        excluded = {*_INCLUDED_SCOPES, *_ADMINISTRATION_SCOPES}
    names = [name for name in scope_names() if name not in excluded]
    return [(each["name"], each["title"]) for each in describe_scopes(names)]


def create_application(
    recipe: Recipe, answers: RecipeInput, *, by: str, rights: Collection[str] = ()
) -> CreatedApplication:
    """Create the application and return it.

    Raise blueprints.objects.edit.InvalidObject with messages by question.
    """
    offered = {name for name, _title in scopes_for(recipe, rights)}
    if unavailable := [scope for scope in answers.scopes if scope not in offered]:
        raise edit.InvalidObject(
            {
                "scopes": [
                    str(_("Scope %(name)s isn't available for this kind of application."))
                    % {"name": unavailable[0][:100]}
                ]
            }
        )
    document = {
        "application": application_name(answers.title),
        "title": answers.title,
        **recipe.document,
        "scopes": [*recipe.always, *answers.scopes],
        **({"administers": True} if administrative_scopes(answers.scopes) else {}),
        **({"groups": answers.groups} if recipe.for_people else {}),
    }
    secret = new_secret()[0] if recipe.document["type"] == "confidential" else ""
    if secret:
        document["client_secret"] = secret
    try:
        saved = edit.save("application", document, by=by, new=True, rights=rights)
    except edit.InvalidObject as refusal:
        raise edit.InvalidObject(_by_question(refusal.errors)) from None
    return CreatedApplication(saved.name, secret)


def application_name(title: str) -> str:
    """Return the application name for this title; a random one if it has no usable letters or digits."""
    return slugify(title) or f"application-{uuid4().hex[:6]}"


def slugify(title: str) -> str:
    """Return the title in lower case with dashes between its letters and digits; "" if it has none."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MAX_NAME_LENGTH].strip("-")


def _by_question(errors: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the errors of the document by question; the name is derived from the title."""
    grouped: dict[str, list[str]] = {}
    for key, texts in errors.items():
        document_key = key.partition(".")[0]
        question = {"application": "title", "title": "title", "groups": "groups", "scopes": "scopes"}.get(
            document_key, ""
        )
        messages = (
            [str(_("An application with this name already exists. Choose another name."))]
            if document_key == "application"
            else texts
        )
        grouped.setdefault(question, []).extend(messages)
    return grouped
