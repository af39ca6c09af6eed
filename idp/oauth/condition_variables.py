"""Condition variables about applications."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from idp.accounts.people import group_names
from idp.foundation.condition_variables import ABSENT, About, Word, WordType
from idp.oauth.clients import application_names, client_ids, find, scope_names
from idp.oauth.models import Application


def _application_variable(type_: WordType, read: Callable[[Application], Any], doc: str) -> Word:
    """Return a variable about the requesting application; it is empty if that was deactivated."""

    def load(context: About) -> Any:
        pk = (context.facts.get("request") or {}).get("application")
        application = context.once("application", pk, find) if pk else None
        return read(application) if application else ABSENT[type_]

    return Word(type_, load, needs="request", doc=doc, about="configuration")


WORDS = {
    "application.name": replace(
        _application_variable(
            "string", lambda application: application.name, "the name of the requesting application"
        ),
        thing="application",
        choices=application_names,
    ),
    "application.client_id": replace(
        _application_variable(
            "string", lambda application: application.client_id, "the application's client ID"
        ),
        thing="client id",
        choices=client_ids,
    ),
    "application.groups": replace(
        _application_variable(
            "list(string)",
            lambda application: list(application.groups),
            "the groups that may use the application; none: all people",
        ),
        thing="group",
        choices=group_names,
    ),
    "request.scopes": Word(
        "list(string)",
        lambda context: list((context.facts.get("request") or {}).get("scopes") or []),
        needs="request",
        doc="the requested scopes",
        about="request",
        thing="scope",
        choices=scope_names,
    ),
    "application.verified": _application_variable(
        "bool", lambda application: application.verified, "whether the application's owner was verified"
    ),
}
