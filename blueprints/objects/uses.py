"""Find the objects that refer to another one.

Deleting an object that is still used would break the others, or let too many people in.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from blueprints.objects.registry import KINDS

_MAX_NAMED = 5
_NamesByKind = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Use:
    """A reference from one object to another, with the key that contains it."""

    kind: str
    name: str
    key: str
    used_kind: str
    used: str


def find_uses(
    gone: _NamesByKind, desired_keys: Mapping[tuple[str, str], Collection[str]] | None = None
) -> Iterator[Use]:
    """Yield the references of the tenant in scope to the objects in ``gone``, except those from one another.

    ``gone`` holds names by kind. ``desired_keys`` holds, by kind and name, the keys whose stored values do
    not count because documents replace them.
    """
    for kind in KINDS.values():
        for name, keys in sorted(kind.current(kind.possible_referrers(gone)).items()):
            if name in gone.get(kind.name, ()):
                continue
            remaining = {
                key: value
                for key, value in keys.items()
                if key not in (desired_keys or {}).get((kind.name, name), ())
            }
            for reference in kind.references(kind.stored_document(remaining)):
                if reference.name in gone.get(reference.object_kind, ()):
                    key = ".".join(map(str, reference.path[:1]))
                    yield Use(kind.name, name, key, reference.object_kind, reference.name)


def describe_uses(found: Sequence[Use]) -> str:
    """Return a text that names the referring objects, the first few individually."""
    each = list(dict.fromkeys(f"{use.kind} {use.name} ({use.key})" for use in found))
    more = [f"{len(each) - _MAX_NAMED} more"] if len(each) > _MAX_NAMED else []
    *others, last = [*each[:_MAX_NAMED], *more]
    return f"{', '.join(others)} and {last}" if others else last


def in_use_message(kind: str, name: str) -> str:
    """Return why the object cannot be deleted, or "" if nothing refers to it."""
    found = list(find_uses({kind: {name}}))
    return f"Still used by {describe_uses(found)}. Remove these references first." if found else ""
