"""The base class of all kinds of objects, and a change of one object."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from pydantic import BaseModel

from blueprints.files.read import LocatedDocument
from blueprints.objects.document import DOCUMENTS
from idp.foundation.text import nfc

Action = Literal["create", "update", "delete", "unchanged"]
BLUEPRINT_ACTOR = "blueprint"
HIDDEN = "•••"
_FEW = 100
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True)
class KeyChange:
    """The change of one dotted key of an object, as JSON values; None means that there is no value.

    Of a secret it shows only that it changes.
    """

    key: str
    old: Any
    new: Any


@dataclass
class ObjectChange:
    """What applying does to one object.

    ``before`` holds the current values by dotted key and is None if the object does not exist. ``desired``
    holds the values of the document by dotted key. ``prepared`` is what the kind has prepared before anything
    is written. ``released_domains`` holds the host names that other tenants release in the same transaction.
    """

    tenant: str
    kind: str
    name: str
    action: Action
    keys: list[KeyChange] = field(default_factory=list)
    before: dict[str, Any] | None = None
    desired: dict[str, Any] = field(default_factory=dict)
    located: LocatedDocument | None = None
    prepared: Any = field(default=None, repr=False)
    released_domains: frozenset[str] = frozenset()

    @property
    def identity(self) -> tuple[str, str, str]:
        """The tenant, the kind and the name."""
        return self.tenant, self.kind, self.name

    def writes(self, key: str) -> bool:
        """Return whether this key is written: any key of a new object, a changed key of an existing one."""
        return self.before is None or any(each.key == key for each in self.keys)

    def may(self, operation: str) -> bool:
        """Return whether the author of the document may perform this operation."""
        return self.located is not None and operation in self.located.rights

    @property
    def dependencies(self) -> Any:
        """What the object takes from other objects: the sub-flows of a flow."""
        return getattr(self.prepared, "parts", None)


@dataclass(frozen=True)
class Reference:
    """A name that a document refers to, and the key where it does."""

    kind: str
    name: str
    path: tuple[str | int, ...]

    @property
    def object_kind(self) -> str:
        """The kind of the referenced object: ``flow`` of ``flow for part``."""
        return self.kind.partition(" for ")[0]


class Kind:
    """One kind of object.

    All methods work in the tenant in scope. Reading takes a small, constant number of queries, however many
    objects there are.
    """

    name: ClassVar[str]
    secret_key: ClassVar[str] = ""  # the key of the secret
    unordered_keys: ClassVar[frozenset[str]] = frozenset()  # keys whose lists are sets

    def normalize_name(self, name: str) -> str:
        """Return the stored form of a name that was typed: its letters in composed form (NFC)."""
        return nfc(name)

    def desired(self, document: BaseModel) -> dict[str, Any]:
        """Return the values of the document by dotted key, as JSON, without its name and its secret."""
        dumped = document.model_dump(mode="json", exclude_unset=True, exclude={self.name, self.secret_key})
        flat = flatten(
            dumped, {key for key, each in type(document).model_fields.items() if _is_model(each.annotation)}
        )
        return {
            key: list(dict.fromkeys(value)) if key in self.unordered_keys else value
            for key, value in flat.items()
        }

    def is_equal(self, key: str, one: Any, other: Any) -> bool:
        """Return whether two values of a key are equal; the order of a set does not count."""
        if key in self.unordered_keys and isinstance(one, list) and isinstance(other, list):
            return set(one) == set(other)
        return bool(one == other)

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        """Return the objects with these names, or all of them, each by dotted key like ``desired``.

        ``$secret`` holds a digest of what is stored of the secret, and "" if nothing is stored.
        """
        raise NotImplementedError

    def exists(self, name: str) -> bool:
        """Return whether an object with this name exists, in any state."""
        return name in self.current([name])

    def defaults(self) -> dict[str, Any]:
        """Return the values that a new object has where its document has none.

        They are given by dotted key, as ``current`` returns them.
        """
        document = DOCUMENTS[self.name].model_construct()
        dumped = document.model_dump(mode="json", exclude={self.name, self.secret_key}, warnings=False)
        return flatten(
            dumped, {key for key, each in type(document).model_fields.items() if _is_model(each.annotation)}
        )

    def references(self, document: Any) -> Iterable[Reference]:
        """Return the names that the document refers to."""
        return ()

    def possible_referrers(self, gone: Mapping[str, Collection[str]]) -> Collection[str] | None:
        """Return the names of stored objects that may refer to one of ``gone``, or None for any of them.

        ``gone`` holds names by kind. The stored objects are those of this kind.
        """
        return ()

    def stored_document(self, keys: Mapping[str, Any]) -> Any:
        """Return a document that has the ``references`` of a stored object.

        ``keys`` are those of the object as ``current`` returns them.
        """
        return DOCUMENTS[self.name].model_construct(
            **{key: value for key, value in keys.items() if "." not in key}
        )

    def difference(self, change: ObjectChange) -> list[KeyChange]:
        """Return the changes key by key, of the keys in the document only."""
        before = change.before or {}
        return [
            KeyChange(key, before.get(key), value)
            for key, value in change.desired.items()
            if not self.is_equal(key, before.get(key), value)
        ]

    def readable_changes(self, key: KeyChange) -> list[KeyChange]:
        """Return the change of one key as an administrator reads it."""
        return [key]

    def secret_matches(self, change: ObjectChange, value: str) -> bool:
        """Return whether ``value`` is the stored secret."""
        return False

    def prepare(self, change: ObjectChange, secret: str | None) -> None:
        """Prepare what is written: everything that takes time or may raise ValidationError.

        ``secret`` is a new one.
        """

    def secret_weaknesses(self, change: ObjectChange, secret: str) -> list[str]:
        """Return the weaknesses of a new secret that a person chose; [] if any secret is accepted."""
        return []

    def advice(self, change: ObjectChange, secret: str | None) -> Iterable[str]:
        """Return what the author should consider, although the document is valid.

        ``secret`` is a new one, in whichever way it was given.
        """
        return ()

    def find_conflicts(
        self, changes: Sequence[ObjectChange]
    ) -> Iterable[tuple[ObjectChange, tuple[str | int, ...], str]]:
        """Return values that two objects cannot share, as (change, path of the key, message).

        ``changes`` are all changes of one tenant at once, including deletions.
        """
        return ()

    def hash_secret(self, change: ObjectChange, secret: str) -> None:
        """Prepare what is stored of a new secret, if this takes long."""

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        """Create and update what was prepared, in bulk, in the caller's transaction.

        ``by`` is recorded as the actor.
        """
        raise NotImplementedError

    def release(self, names: Collection[str]) -> None:
        """Release the unique values of objects that are deleted after others are written.

        This happens in the caller's transaction.
        """

    def delete(self, names: Collection[str], *, by: str) -> None:
        """Delete these objects, in the caller's transaction."""
        raise NotImplementedError


def find_duplicates(
    changes: Sequence[ObjectChange],
    key: str,
    owners: Callable[[Collection[str]], Mapping[str, str]],
    same: Callable[[str], str] = str,
) -> Iterable[tuple[ObjectChange, str]]:
    """Yield the changes whose value of ``key`` is taken, each with the name of the owner.

    The owner is another change, or a stored object that keeps the value. ``same`` normalizes a value for the
    comparison.
    """
    changing = [
        change
        for change in changes
        if change.action == "delete" or any(each.key == key for each in change.keys)
    ]
    claims, releasing = (
        [change for change in changing if change.desired.get(key)],
        {change.name for change in changing},
    )
    taken = {
        value: name
        for value, name in owners([change.desired[key] for change in claims]).items()
        if name not in releasing
    }
    for change in claims:
        owner = taken.setdefault(same(change.desired[key]), change.name)
        if owner != change.name:
            yield change, owner


def flatten(values: Mapping[str, Any], groups: Collection[str]) -> dict[str, Any]:
    """Return ``device: {interval: 5}`` as ``device.interval: 5``, for keys that are groups of settings."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{inner}": each for inner, each in value.items()} if key in groups else {key: value}
    return flat


def filter_by_names(
    rows: QuerySet[_Row], names: Collection[str] | None, column: str = "name"
) -> QuerySet[_Row]:
    """Filter the rows by these names if they are few; for many names, reading all rows is cheaper."""
    return rows if names is None or len(names) > _FEW else rows.filter(**{f"{column}__in": list(names)})


def select_names(
    found: dict[str, dict[str, Any]], names: Collection[str] | None
) -> dict[str, dict[str, Any]]:
    """Return the entries with these names.

    For many names, one query for all rows is cheaper than a condition with each of them.
    """
    return found if names is None else {name: found[name] for name in names if name in found}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def run_checks(*checks: Callable[[], object]) -> None:
    """Run all checks; raise ValidationError with everything that they found."""
    errors: dict[str, list[str]] = {}
    for check in checks:
        try:
            check()
        except ValidationError as error:
            for column, texts in error.message_dict.items():
                errors.setdefault(column, []).extend(texts)
    if errors:
        raise ValidationError(errors)
