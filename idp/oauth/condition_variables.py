"""Condition variables about applications."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from idp.accounts.people import group_names
from idp.foundation.condition_variables import EMPTY_VALUES, EvaluationContext, Variable, VariableType
from idp.oauth.clients import application_names, client_ids, find, scope_names
from idp.oauth.models import Application


def _application_variable(type_: VariableType, read: Callable[[Application], Any], doc: str) -> Variable:
    """Return a variable about the requesting application; it is empty if that was deactivated."""

    def load(context: EvaluationContext) -> Any:
        pk = context.facts.request.application if "request" in context.facts else 0
        application = context.load_once("application", pk, find) if pk else None
        return read(application) if application else EMPTY_VALUES[type_]

    return Variable(type_, load, required_fact="request", doc=doc, subject="configuration")


CONDITION_VARIABLES = {
    "application.name": replace(
        _application_variable(
            "string", lambda application: application.name, "the name of the requesting application"
        ),
        value_kind="application",
        choices=application_names,
    ),
    "application.client_id": replace(
        _application_variable(
            "string", lambda application: application.client_id, "the application's client ID"
        ),
        value_kind="client id",
        choices=client_ids,
    ),
    "application.groups": replace(
        _application_variable(
            "list(string)",
            lambda application: list(application.groups),
            "the groups that may use the application; none: all people",
        ),
        value_kind="group",
        choices=group_names,
    ),
    "request.scopes": Variable(
        "list(string)",
        lambda context: list(context.facts.request.scopes) if "request" in context.facts else [],
        required_fact="request",
        doc="the requested scopes",
        subject="request",
        value_kind="scope",
        choices=scope_names,
    ),
    "application.verified": _application_variable(
        "bool", lambda application: application.verified, "whether the application's owner was verified"
    ),
}
