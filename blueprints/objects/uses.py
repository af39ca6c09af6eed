"""Tells who names an object: what goes away while somebody still names it leaves behind what no longer works,
or lets in too many.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from blueprints.objects.registry import KINDS

_NAMED = 5
_Gone = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Use:
    """An object that names another one, at which of its keys."""

    kind: str
    name: str
    key: str
    used_kind: str
    used: str


def uses(gone: _Gone, said: Mapping[tuple[str, str], Collection[str]] | None = None) -> Iterator[Use]:
    """Yield who in the tenant in scope names one of ``gone``, names by kind, and does not go as well.

    ``said``: the keys for which documents speak in place of what is stored, by kind and name.
    """
    for kind in KINDS.values():
        for name, keys in sorted(kind.current(kind.naming(gone)).items()):
            if name in gone.get(kind.name, ()):
                continue
            kept = {
                key: value
                for key, value in keys.items()
                if key not in (said or {}).get((kind.name, name), ())
            }
            for reference in kind.references(kind.stored(kept)):
                if reference.name in gone.get(reference.object_kind, ()):
                    key = ".".join(map(str, reference.path[:1]))
                    yield Use(kind.name, name, key, reference.object_kind, reference.name)


def told(found: Sequence[Use]) -> str:
    """Return who they are, the first few by name."""
    each = list(dict.fromkeys(f"{use.kind} {use.name} ({use.key})" for use in found))
    more = [f"{len(each) - _NAMED} more"] if len(each) > _NAMED else []
    *others, last = [*each[:_NAMED], *more]
    return f"{', '.join(others)} and {last}" if others else last


def in_use(kind: str, name: str) -> str:
    """Return why the object cannot be deleted, or "" where nobody names it."""
    found = list(uses({kind: {name}}))
    return f"Still used by {told(found)}. Remove these references first." if found else ""
