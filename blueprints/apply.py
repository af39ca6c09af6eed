"""Applies blueprint files: the whole of them in one transaction, or nothing."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from blueprints.document import KINDS, ApplicationDocument
from blueprints.read import BadBlueprint, Located, Problem, read
from flows.models import Designation
from flows.versions import RefusedFlow, live_version, publish
from idp.accounts.credentials import hash_password, is_password, store_password
from idp.accounts.models import Group
from idp.accounts.people import by_username, save_group, save_person
from idp.events.bus import publish as publish_event
from idp.oauth.clients import STANDARD_SCOPES, save_application, save_scope
from idp.oauth.grant import grants
from idp.oauth.models import Scope
from idp.outbox.mail import save_template
from idp.sealing import digest
from idp.tenancy import tenants
from idp.tenancy.scope import tenant_scope

BY = "blueprint"


@dataclass(frozen=True)
class Applied:
    """What a blueprint named, in the order in which it was applied."""

    tenant: str
    kind: str
    name: str


def apply(files: Iterable[Path]) -> list[Applied]:
    """Reads, checks and applies; raises BadBlueprint with every problem, and then nothing was written."""
    found = sorted(read(files), key=lambda each: list(KINDS).index(each.kind))
    hashes = {id(each): _password_hash(each) for each in found if each.kind == "person"}
    problems: list[Problem] = []
    with transaction.atomic():
        for each in found:
            problems += _apply_one(each, hashes.get(id(each)))
        if problems:
            raise BadBlueprint(problems)
    return [Applied(each.tenant, each.kind, each.name) for each in found]


def _apply_one(each: Located, password: str | None) -> list[Problem]:
    """One object, with a savepoint of its own, so that all problems are found and not only the first."""
    try:
        with transaction.atomic():
            if each.kind == "tenant":
                return _tenant(each)
            tenant = tenants.by_name(each.tenant)
            if tenant is None:
                return [each.problem([], f"There is no tenant {each.tenant}.")]
            with tenant_scope(tenant):
                return _person(each, password) if each.kind == "person" else _APPLY[each.kind](each)
    except RefusedFlow as refused:
        return [each.problem(finding.path, finding.message) for finding in refused.findings]
    except ValidationError as error:
        named = error.message_dict if hasattr(error, "error_dict") else {each.kind: error.messages}
        return [each.problem([_key(each.kind, column)], text) for column, texts in named.items() for text in texts]


_KEYS = {"__all__": "", "username": "person", "secret_hash": "client_secret", "confidential": "type"}


def _key(kind: str, column: str) -> str:
    """The key of the document that holds this column; only a person has a name beside the one by which the document is known."""
    return kind if column == "name" and kind != "person" else _KEYS.get(column, column)


def _tenant(each: Located) -> list[Problem]:
    tenant = tenants.save_tenant(each.name, **each.document.given("tenant", "domains"))
    if "domains" in each.document.model_fields_set:
        tenants.set_domains(tenant, each.document.domains)
    return []


def _scope(each: Located) -> list[Problem]:
    save_scope(each.name, title=each.document.title, description=each.document.description)
    return []


def _group(each: Located) -> list[Problem]:
    save_group(each.name)
    return []


def _password_hash(each: Located) -> str | None:
    """The hash to store, made before the transaction; None where the password is right already or none is given."""
    password, tenant = each.document.password, tenants.by_name(each.tenant)
    if not password:
        return None
    if tenant is not None:
        with tenant_scope(tenant):
            person = by_username(each.name)
            if person and is_password(person, password):
                return None
    return hash_password(password)


def _person(each: Located, password: str | None) -> list[Problem]:
    document = each.document
    if problems := _unknown(each, "groups", document.groups, Group.objects.values_list("name", flat=True)):
        return problems
    values = document.given("person", "password", "active", "admin", "groups")
    columns = {"active": "is_active", "admin": "is_admin"}
    values |= {column: getattr(document, key) for key, column in columns.items() if key in document.model_fields_set}
    known = by_username(each.name)
    if password and not known:
        values["password"] = password
    groups = document.groups if "groups" in document.model_fields_set else None
    save_person(each.name, groups=groups, by=BY, **values)
    if password and known:
        store_password(known, password, by=BY)
    return []


def _flow(each: Located) -> list[Problem]:
    publish(each.document, by=BY, note="applied from a blueprint")
    return []


def _application(each: Located) -> list[Problem]:
    document: ApplicationDocument = each.document
    problems = [
        *_unknown(each, "grants", document.grants, grants()),
        *_unknown(each, "scopes", document.scopes, [*STANDARD_SCOPES, *Scope.objects.values_list("name", flat=True)]),
        *_unknown(each, "groups", document.groups, Group.objects.values_list("name", flat=True)),
    ]
    if document.device.flow and live_version(Designation.DEVICE_CODE, document.device.flow) is None:
        problems.append(each.problem(["device", "flow"], f"There is no live flow {document.device.flow} for device_code."))
    if problems:
        return problems
    save_application(each.name, by=BY, **_columns(document))
    return []


def _mail(each: Located) -> list[Problem]:
    if save_template(each.name, **each.document.given("mail")):
        publish_event("mail.changed", actor=BY, target=each.name)
    return []


def _columns(document: ApplicationDocument) -> dict[str, Any]:
    values = document.given("application", "client_secret", "type", "active", "device", "access_token_lifetime", "refresh_token_lifetime")
    given, device = document.model_fields_set, document.device
    if "active" in given:
        values["is_active"] = document.active
    if "type" in given:
        values["confidential"] = document.type == "confidential"
    if document.client_secret:
        values["secret_hash"] = digest(document.client_secret)
    for name in ("access_token_lifetime", "refresh_token_lifetime"):
        if name in given:
            values[name] = int(getattr(document, name).total_seconds())
    for name in device.model_fields_set:
        value = getattr(device, name)
        values[f"device_{name}"] = int(value.total_seconds()) if hasattr(value, "total_seconds") else value
    return values


def _unknown(each: Located, key: str, names: Iterable[str], known: Iterable[str]) -> list[Problem]:
    """A problem for each reference to something that does not exist, with the nearest right spelling."""
    there = list(known)
    problems = []
    for at, name in enumerate(names):
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            problems.append(each.problem([key, at], f"There is no {name}." + (f" Did you mean {near[0]}?" if near else "")))
    return problems


_APPLY: dict[str, Callable[[Located], list[Problem]]] = {
    "scope": _scope,
    "group": _group,
    "flow": _flow,
    "application": _application,
    "mail": _mail,
}
