"""What all kinds of objects have in common, and one change of one object."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from pydantic import BaseModel

from blueprints.files.read import Located
from blueprints.objects.document import KINDS as DOCUMENTS
from idp.foundation.text import nfc

Action = Literal["create", "update", "delete", "unchanged"]
BY = "blueprint"
HIDDEN = "•••"
_FEW = 100
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True)
class KeyChange:
    """One key, with dots, of one object: JSON values, None where it says nothing; of a secret only that it
    changes.
    """

    key: str
    old: Any
    new: Any


@dataclass
class Change:
    """What becomes of one object. ``before``: how it is now, by dotted key; None where it is not there.

    ``given``: what the document says, by dotted key. ``ready``: what the kind has made of it before anything
    is written. ``freed``: the host names that other tenants give up in the same transaction.
    """

    tenant: str
    kind: str
    name: str
    action: Action
    keys: list[KeyChange] = field(default_factory=list)
    before: dict[str, Any] | None = None
    given: dict[str, Any] = field(default_factory=dict)
    located: Located | None = None
    ready: Any = field(default=None, repr=False)
    freed: frozenset[str] = frozenset()

    @property
    def named(self) -> tuple[str, str, str]:
        """Tenant, kind and name."""
        return self.tenant, self.kind, self.name

    def writes(self, key: str) -> bool:
        """Whether this key is to be written: a new object's own, of a known one what differs."""
        return self.before is None or any(each.key == key for each in self.keys)

    def may(self, operation: str) -> bool:
        """Return whether its author may do this."""
        return self.located is not None and operation in self.located.rights

    @property
    def rests_on(self) -> Any:
        """What it takes from elsewhere: the sub-flows of a flow."""
        return getattr(self.ready, "parts", None)


@dataclass(frozen=True)
class Reference:
    """A name that a document mentions, and at which key."""

    kind: str
    name: str
    path: tuple[str | int, ...]

    @property
    def object_kind(self) -> str:
        """``flow`` of ``flow for part``."""
        return self.kind.partition(" for ")[0]


class Kind:
    """One kind of object.

    Everything happens in the tenant in scope; reading takes a handful of queries however many there are.
    """

    name: ClassVar[str]
    secret_key: ClassVar[str] = ""  # the key that holds one
    in_any_order: ClassVar[frozenset[str]] = frozenset()  # keys whose lists are sets

    def as_kept(self, name: str) -> str:
        """The name that is stored, from one that was typed: the same letters, however they were composed."""
        return nfc(name)

    def given(self, document: BaseModel) -> dict[str, Any]:
        """What the document says, by dotted key, as JSON; without its name and its secret."""
        dumped = document.model_dump(mode="json", exclude_unset=True, exclude={self.name, self.secret_key})
        flat = flattened(
            dumped, {key for key, each in type(document).model_fields.items() if _is_model(each.annotation)}
        )
        return {
            key: list(dict.fromkeys(value)) if key in self.in_any_order else value
            for key, value in flat.items()
        }

    def same(self, key: str, one: Any, other: Any) -> bool:
        """Whether these values of a key mean the same: the order of a set is no change."""
        if key in self.in_any_order and isinstance(one, list) and isinstance(other, list):
            return set(one) == set(other)
        return bool(one == other)

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        """Those of these names that exist, or all, each by dotted key as ``given`` would say it.

        Under ``$secret`` a digest of what is stored of its secret, "" where nothing is.
        """
        raise NotImplementedError

    def there(self, name: str) -> bool:
        """Whether there is one of this name, in whatever state."""
        return name in self.current([name])

    def defaults(self) -> dict[str, Any]:
        """What a new object has where its document says nothing, by dotted key, as ``current``
        would say it.
        """
        document = DOCUMENTS[self.name].model_construct()
        dumped = document.model_dump(mode="json", exclude={self.name, self.secret_key}, warnings=False)
        return flattened(
            dumped, {key for key, each in type(document).model_fields.items() if _is_model(each.annotation)}
        )

    def references(self, document: Any) -> Iterable[Reference]:
        """The names that it mentions."""
        return ()

    def naming(self, gone: Mapping[str, Collection[str]]) -> Collection[str] | None:
        """Which stored objects of this kind may mention one of ``gone``, names by kind: their names, or None
        for any of them.
        """
        return ()

    def stored(self, keys: Mapping[str, Any]) -> Any:
        """The document whose ``references`` are those of a stored object, from its keys as ``current`` says
        them.
        """
        return DOCUMENTS[self.name].model_construct(
            **{key: value for key, value in keys.items() if "." not in key}
        )

    def difference(self, change: Change) -> list[KeyChange]:
        """Key by key, only what the document says."""
        before = change.before or {}
        return [
            KeyChange(key, before.get(key), value)
            for key, value in change.given.items()
            if not self.same(key, before.get(key), value)
        ]

    def as_read(self, key: KeyChange) -> list[KeyChange]:
        """What differs in one key, as an administrator reads it."""
        return [key]

    def secret_matches(self, change: Change, value: str) -> bool:
        """Whether this is the secret that is stored."""
        return False

    def prepare(self, change: Change, secret: str | None) -> None:
        """Makes ready what will be written: whatever takes time, and whatever may be wrong (ValidationError).

        ``secret``: a new one.
        """

    def weak(self, change: Change, secret: str) -> list[str]:
        """What is wrong with a new secret that a person chose; [] where any will do."""
        return []

    def advice(self, change: Change, secret: str | None) -> Iterable[str]:
        """What its author should think of, though it is right.

        ``secret``: a new one, however it was given.
        """
        return ()

    def clashes(self, changes: Sequence[Change]) -> Iterable[tuple[Change, tuple[str | int, ...], str]]:
        """What two objects cannot both have: the change, the key, and what is wrong.

        All changes of one tenant at once, deletions too.
        """
        return ()

    def harden(self, change: Change, secret: str) -> None:
        """Makes ready what is stored of a new secret, where that takes long."""

    def write(self, changes: Sequence[Change], *, by: str) -> None:
        """Creates and updates what was made ready, in bulk, in the caller's transaction.

        ``by``: who is told to have done it.
        """
        raise NotImplementedError

    def release(self, names: Collection[str]) -> None:
        """Lets go of what only one object may have, in the caller's transaction: these will be deleted once
        others are written.
        """

    def delete(self, names: Collection[str], *, by: str) -> None:
        """Takes them away, in the caller's transaction."""
        raise NotImplementedError


def unique(
    changes: Sequence[Change],
    key: str,
    owners: Callable[[Collection[str]], Mapping[str, str]],
    same: Callable[[str], str] = str,
) -> Iterable[tuple[Change, str]]:
    """The changes that take a value of ``key`` which another one of them, or somebody who keeps it, has.

    ``same``: what two spellings of one value have in common.
    """
    changing = [
        change
        for change in changes
        if change.action == "delete" or any(each.key == key for each in change.keys)
    ]
    wanted, giving_up = (
        [change for change in changing if change.given.get(key)],
        {change.name for change in changing},
    )
    taken = {
        value: name
        for value, name in owners([change.given[key] for change in wanted]).items()
        if name not in giving_up
    }
    for change in wanted:
        owner = taken.setdefault(same(change.given[key]), change.name)
        if owner != change.name:
            yield change, owner


def flattened(values: Mapping[str, Any], groups: Collection[str]) -> dict[str, Any]:
    """``device: {interval: 5}`` as ``device.interval: 5``, for the keys that are groups of settings."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{inner}": each for inner, each in value.items()} if key in groups else {key: value}
    return flat


def named(rows: QuerySet[_Row], names: Collection[str] | None, column: str = "name") -> QuerySet[_Row]:
    """Those of these names where they are few; for many, all rows are less to ask for than each of them."""
    return rows if names is None or len(names) > _FEW else rows.filter(**{f"{column}__in": list(names)})


def only(found: dict[str, dict[str, Any]], names: Collection[str] | None) -> dict[str, dict[str, Any]]:
    """Those of these names: for many names one query for all rows is less than a condition with
    each of them.
    """
    return found if names is None else {name: found[name] for name in names if name in found}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def every_check(*checks: Callable[[], object]) -> None:
    """Run all of them; raise ValidationError with everything that they found wrong."""
    wrong: dict[str, list[str]] = {}
    for check in checks:
        try:
            check()
        except ValidationError as error:
            for column, texts in error.message_dict.items():
                wrong.setdefault(column, []).extend(texts)
    if wrong:
        raise ValidationError(wrong)
