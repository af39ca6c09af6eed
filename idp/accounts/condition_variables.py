"""Condition variables about people, proofs, sessions and the tenant."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from idp.accounts.credentials import PASSWORD, RECOVERY_CODE, TOTP, kinds_of
from idp.accounts.models import Person, Role
from idp.accounts.people import find, group_names, groups_of
from idp.foundation import mailboxes
from idp.foundation.clocks import age
from idp.foundation.condition_variables import EMPTY_VALUES, EvaluationContext, Variable, VariableType
from idp.tenancy.scope import current_tenant

_MAX_AGE = timedelta(days=3650)  # CEL cannot calculate with much longer durations


_METHODS = (
    "", "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd", "rba", "retina",
    "sc", "sms", "swk", "tel",
    "user", "vbm", "wia",
)  # fmt: skip


def _person_variable(type_: VariableType, read: Callable[[Person], Any], doc: str) -> Variable:
    """Return a variable about the claimed person; it is empty where no such person exists."""

    def load(context: EvaluationContext) -> Any:
        person = context.load_once("person", context.facts.claimed_person, find)
        return read(person) if person else EMPTY_VALUES[type_]

    return Variable(type_, load, required_fact="person", doc=doc)


def attributes_as_text(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return a person's attributes as conditions read them: values that are not text are JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in attributes.items()
        if value is not None
    }


def _attributes(person: Person) -> dict[str, str]:
    return attributes_as_text(person.attributes)


def _session_age(context: EvaluationContext) -> timedelta:
    if "signed_in" not in context.facts:
        return timedelta(0)
    return min(age(context.facts.signed_in.at, context.now), _MAX_AGE)


CONDITION_VARIABLES = {
    "person.username": _person_variable(
        "string", lambda person: person.username, "the username, folded to lower case"
    ),
    "person.name": _person_variable("string", lambda person: person.name, "the display name"),
    "person.email": _person_variable(
        "string", lambda person: mailboxes.display_address(person.mailbox), "the email address in lower case"
    ),
    "person.email_verified": _person_variable(
        "bool", lambda person: person.email_verified, "whether the email address was verified"
    ),
    "person.groups": Variable(
        "list(string)",
        lambda context: context.load_once("groups", context.facts.claimed_person, groups_of),
        required_fact="person",
        doc="the names of the person's groups",
        value_kind="group",
        choices=group_names,
    ),
    "person.attributes": _person_variable(
        "map(string)", _attributes, "the person's attributes; values that are not text are JSON"
    ),
    "person.credentials": Variable(
        "list(string)",
        lambda context: context.load_once("credentials", context.facts.claimed_person, kinds_of),
        required_fact="person",
        doc='what the person could prove themselves with: `"password"`, `"totp"`, `"recovery_code"` while '
        "any is left, "
        "or where there is nothing else beside used-up ones",
        value_kind="way to sign in",
        choices=lambda: (PASSWORD, TOTP, RECOVERY_CODE),
    ),
    "person.admin": _person_variable(
        "bool", lambda person: person.administers, "whether the person administers the tenant"
    ),
    "person.role": replace(
        _person_variable("string", lambda person: person.role, f"{', '.join(Role.values)} or nothing"),
        value_kind="role",
        choices=lambda: ("", *Role.values),
    ),
    "person.created": _person_variable(
        "timestamp",
        lambda person: person.created_at,
        "when the account was created; `request.time - person.created`",
    ),
    "proof.method": Variable(
        "string",
        lambda context: context.facts.proof.method if "proof" in context.facts else "",
        required_fact="proof",
        doc='how the person was proved (RFC 8176): `"pwd"` for a password',
        value_kind="method of RFC 8176",
        choices=lambda: _METHODS,
    ),
    "second_factor.present": Variable(
        "bool",
        lambda context: "second_factor" in context.facts,
        doc="whether a second factor was proved as well",
    ),
    "second_factor.method": Variable(
        "string",
        lambda context: context.facts.second_factor.method if "second_factor" in context.facts else "",
        doc='the method of the second factor (RFC 8176): `"otp"` for a code; `""` for none',
        value_kind="method of RFC 8176",
        choices=lambda: _METHODS,
    ),
    "session.active": Variable(
        "bool", lambda context: "signed_in" in context.facts, doc="whether the browser is signed in"
    ),
    "session.age": Variable(
        "duration",
        _session_age,
        doc='how long ago the person proved themselves for this session; `duration("0s")` without one',
    ),
    "session.methods": Variable(
        "list(string)",
        lambda context: list(context.facts.signed_in.methods) if "signed_in" in context.facts else [],
        doc="how the person proved themselves for this session (RFC 8176)",
        value_kind="method of RFC 8176",
        choices=lambda: _METHODS,
    ),
    "tenant.name": Variable(
        "string", lambda context: current_tenant().name, doc="the tenant's name", subject="configuration"
    ),
    "tenant.networks": Variable(
        "list(string)",
        lambda context: list(current_tenant().networks),
        doc="the tenant's trusted networks",
        subject="configuration",
        hint=lambda: (
            ""
            if current_tenant().networks
            else "The tenant has no trusted networks, so every address is outside."
        ),
    ),
}
