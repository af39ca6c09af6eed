"""Change single objects manually, in a person's name, with the documents and kinds of blueprints."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, transaction
from pydantic import BaseModel
from pydantic import ValidationError as Invalid

from blueprints.files import secrets
from blueprints.files.apply import WriteConflict, check_unchanged, lock_for_writing
from blueprints.files.key_messages import error_message
from blueprints.files.nodes import Node
from blueprints.files.order import missing_references
from blueprints.files.partial import validate_partially
from blueprints.files.plan import Plan, TenantContents, build_change, complete_change
from blueprints.files.problems import Problem
from blueprints.files.read import LocatedDocument
from blueprints.objects.document import DOCUMENTS
from blueprints.objects.kind import KeyChange, Kind, ObjectChange
from blueprints.objects.registry import KINDS
from blueprints.objects.uses import in_use_message
from idp.accounts.bulk import LastAdministrator
from idp.foundation.errors import Changed, NotFound
from idp.tenancy.scope import current_tenant

_MAX_ATTEMPTS = 5


class InvalidObject(Exception):
    """The object is not valid; ``errors`` maps dotted keys to messages, with "" for the object as a whole."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(
            "; ".join(f"{key}: {text}" if key else text for key, texts in errors.items() for text in texts)
        )
        self.errors = dict(errors)


class ObjectNotFound(NotFound):
    """This object does not exist."""


class EditConflict(Changed):
    """The object was changed in the meantime. Reload it and try again."""


@dataclass(frozen=True)
class CurrentObject:
    """A stored object: its ``document`` as its kind writes it, without secrets.

    ``digest`` changes whenever the object does.
    """

    name: str
    document: dict[str, Any] = field(repr=False)
    digest: str


@dataclass(frozen=True)
class SaveResult:
    """The result of saving an object; ``keys`` is empty if nothing changed."""

    name: str
    created: bool
    keys: tuple[KeyChange, ...]


@dataclass(frozen=True)
class _SubmittedDocument(LocatedDocument):
    """A document that was submitted in a form or a request, so a problem is located by its key alone."""

    def problem(self, path: Iterable[str | int], message: str) -> Problem:
        return Problem("", 0, 0, ".".join(map(str, path)), message)


def load(kind: str, name: str) -> CurrentObject | None:
    """Return the object with this name in the tenant in scope, or None.

    The name is normalized as its kind does.
    """
    name = KINDS[kind].normalize_name(name)
    keys = KINDS[kind].current([name]).get(name)
    return None if keys is None else CurrentObject(name, _nested_document(kind, name, keys), _digest(keys))


def blank_document(kind: str) -> dict[str, Any]:
    """Return the defaults of a new object as its kind writes them, without a name."""
    document = _nested_document(kind, "", KINDS[kind].defaults())
    del document[kind]
    return document


def save(
    kind: str,
    document: Mapping[str, Any],
    *,
    by: str,
    expect: str | None = None,
    new: bool | None = None,
    rights: Collection[str] = (),
) -> SaveResult:
    """Create or change an object as the document ``document`` describes; omitted keys stay as they are.

    ``expect`` is the etag of the object that the author saw. ``new`` is True to create, False to change and
    None for either. ``rights`` are the additional operations that the author may perform
    (idp/accounts/roles.py).

    Raise InvalidObject with every error, ObjectNotFound or EditConflict. In these cases nothing was written.
    """
    located = _submitted_document(kind, validate(kind, document, rights=rights), rights)
    for _ in range(_MAX_ATTEMPTS):
        change = _plan_change(located)
        if change.before is None and (new is False or expect is not None):
            raise ObjectNotFound
        if change.before is not None and new is True:
            raise InvalidObject({kind: ["This name is already taken."]})
        if expect is not None and expect != _digest(change.before or {}):
            raise EditConflict
        try:
            if change.action != "unchanged":
                _write(change, by)
        except WriteConflict:
            continue
        return SaveResult(change.name, change.action == "create", tuple(change.keys))
    raise EditConflict


def delete(kind: str, name: str, *, by: str, expect: str | None = None) -> None:
    """Delete an object that no other object refers to.

    Raise ObjectNotFound, EditConflict if the object is not the one that the author saw, or InvalidObject.
    """
    name = KINDS[kind].normalize_name(name)
    for _ in range(_MAX_ATTEMPTS):
        try:
            with _locked_transaction():
                _delete(kind, name, by, expect)
            return
        except WriteConflict:
            continue
        except LastAdministrator as error:
            raise InvalidObject({"": [str(error)]}) from error
    raise EditConflict


def validate(
    kind: str, document: Mapping[str, Any], *, strict: bool | None = None, rights: Collection[str] = ()
) -> BaseModel:
    """Return the validated document; raise InvalidObject with every error, including wrong references.

    ``strict`` disables type coercion: "5" and "yes" stay texts. ``rights`` is as in :func:`save_state`.
    """
    try:
        return DOCUMENTS[kind].model_validate(dict(document), strict=strict)
    except Invalid as invalid:
        errors = _errors_by_key(invalid.errors(), kind)
    secret_key = KINDS[kind].secret_key
    # the secret is left out: it must not be compared before the rights are checked
    others = {key: value for key, value in document.items() if key != secret_key}
    all_errors = find_errors(kind, others, rights) | errors
    if (
        secret_key
        and secret_key not in errors
        and document.get(secret_key)
        and (weaknesses := _secret_weaknesses(kind, others, str(document[secret_key])))
    ):
        all_errors[secret_key] = weaknesses
    raise InvalidObject(all_errors)


def find_errors(kind: str, values: Mapping[str, Any], rights: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the errors of a document by key, even if it is not valid as a whole; nothing is written."""
    document, found = validate_partially(DOCUMENTS[kind], values)
    errors = _errors_by_key(found, kind)
    if document is not None:
        try:
            _plan_change(_submitted_document(kind, document, rights))
        except InvalidObject as refused:  # removed keys may cause further errors: skip them
            removed = {key.partition(".")[0] for key in errors}
            errors |= {
                key: texts
                for key, texts in refused.errors.items()
                if key and key.partition(".")[0] not in removed
            }
    return errors


def _secret_weaknesses(kind: str, rest: Mapping[str, Any], secret: str) -> list[str]:
    """Return the weaknesses of a new secret, judged with the valid keys of the ``rest`` of the document."""
    document, _found = validate_partially(DOCUMENTS[kind], rest)
    if document is None:
        return []
    located = _submitted_document(kind, document)
    return KINDS[kind].secret_weaknesses(
        build_change(located, KINDS[kind].current([located.name]).get(located.name)), secret
    )


def _submitted_document(kind: str, document: BaseModel, rights: Collection[str] = ()) -> _SubmittedDocument:
    return _SubmittedDocument(
        "", current_tenant().name, kind, document, Node(0, 0, {}), from_person=True, rights=frozenset(rights)
    )


def _errors_by_key(found: Iterable[Any], kind: str) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for error in found:
        errors.setdefault(".".join(map(str, error["loc"])), []).append(error_message(DOCUMENTS[kind], error))
    return errors


def _delete(kind: str, name: str, by: str, expect: str | None) -> None:
    """Delete the object within the transaction in which no new reference to it can appear."""
    if not KINDS[kind].exists(name):
        raise ObjectNotFound
    if expect is not None and expect != _digest(KINDS[kind].current([name]).get(name, {})):
        raise EditConflict
    if reason := in_use_message(kind, name):
        raise InvalidObject({"": [reason]})
    KINDS[kind].delete([name], by=by)


def _plan_change(located: LocatedDocument) -> ObjectChange:
    """Return the change that the document makes; raise InvalidObject."""
    kind = KINDS[located.kind]
    change = build_change(located, kind.current([located.name]).get(located.name))
    problems = [
        *missing_references([located]),
        *complete_change(
            Plan("", "", 0), kind, change, TenantContents({}, {}, secrets.secret_lookup(shared=False))
        ),
        *(located.problem(path, text) for _, path, text in kind.find_conflicts([change])),
    ]
    if problems:
        errors: dict[str, list[str]] = {}
        for problem in problems:
            errors.setdefault(problem.key, []).append(problem.message)
        raise InvalidObject(errors)
    return change


def _write(change: ObjectChange, by: str) -> None:
    kind = KINDS[change.kind]
    _hash_secret(kind, change)
    try:
        with _locked_transaction():
            check_unchanged([change])
            if change.located and missing_references([change.located]):
                raise WriteConflict
            kind.write([change], by=by)
    except (IntegrityError, ValidationError, LastAdministrator) as error:
        raise WriteConflict from error  # it was valid a moment ago; the next comparison locates the problem


@contextmanager
def _locked_transaction() -> Iterator[None]:
    """Open a transaction that excludes other changes; raise WriteConflict if it cannot be serialized."""
    nested = connection.in_atomic_block
    try:
        with transaction.atomic():
            lock_for_writing(nested)
            yield
    except OperationalError as error:
        if str(getattr(error.__cause__, "sqlstate", "")).startswith("40"):
            raise WriteConflict from error
        raise


def _hash_secret(kind: Kind, change: ObjectChange) -> None:
    """Hash the new secret, which takes time, before anything is locked."""
    if kind.secret_key and change.located and any(key.key == kind.secret_key for key in change.keys):
        value = str(getattr(change.located.document, kind.secret_key))
        kind.prepare(change, value)
        kind.hash_secret(change, value)


def _nested_document(kind: str, name: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {kind: name}
    for key, value in keys.items():
        if key != "$secret":
            group, _, inner = key.rpartition(".")
            (document.setdefault(group, {}) if group else document)[inner] = value
    return document


def _digest(keys: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(keys, sort_keys=True, default=str).encode()).hexdigest()[:32]
