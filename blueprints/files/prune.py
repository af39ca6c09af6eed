"""Find what ``--prune`` deletes, and what would still refer to it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from blueprints.files.problems import Problem
from blueprints.files.read import LocatedDocument
from blueprints.models import Owned
from blueprints.objects.kind import ObjectChange
from blueprints.objects.person import administrators_after
from blueprints.objects.registry import KINDS
from blueprints.objects.uses import Use, describe_uses, find_uses

NamesByKind = Mapping[str, Collection[str]]


def plan_pruning(
    blueprint: str, tenant: str, requested: Sequence[ObjectChange], owned: Iterable[Owned]
) -> tuple[list[ObjectChange], list[str]]:
    """Return the deletions of what this blueprint managed and no longer contains, and notes.

    The deletions are in reverse order of creation. They never include a tenant or the last administrator.
    """
    named = {(each.kind, each.name) for each in requested}
    rows = [
        row
        for row in owned
        if row.blueprint == blueprint and (row.kind, row.name) not in named and row.kind != "tenant"
    ]
    deleted = {kind: {row.name for row in rows if row.kind == kind} for kind in KINDS}
    admins, notes = (
        sorted(administrators_after([each for each in requested if each.kind == "person"])),
        list[str](),
    )
    if admins and set(admins) <= deleted["person"]:
        notes.append(
            f"person {admins[0]} of {tenant} is not deleted: the tenant would have no administrator."
        )
        deleted["person"].remove(admins[0])
    changes = []
    for kind in reversed(KINDS.values()):
        for name, before in sorted(kind.current(deleted[kind.name]).items()) if deleted[kind.name] else ():
            changes.append(ObjectChange(tenant, kind.name, name, "delete", before=before))
    return changes, notes


def deleted_names(changes: Iterable[ObjectChange]) -> NamesByKind:
    """Return the names that these changes delete, by kind."""
    deleted: dict[str, set[str]] = {}
    for change in changes:
        if change.action == "delete":
            deleted.setdefault(change.kind, set()).add(change.name)
    return deleted


def remaining_uses(changes: Sequence[ObjectChange]) -> list[Use]:
    """Return the stored references that remain to what these changes delete."""
    deleted = deleted_names(changes)
    return (
        list(find_uses(deleted, {(each.kind, each.name): each.desired for each in changes if each.located}))
        if deleted
        else []
    )


def check_still_used(changes: Sequence[ObjectChange], at: LocatedDocument) -> Iterator[Problem]:
    """Yield a problem for each deleted object that a remaining object still refers to.

    The problem is located at the document of the referring object, or at ``at`` if it has none.
    """
    found, documents = remaining_uses(changes), {(each.kind, each.name): each.located for each in changes}
    for kind, name in dict.fromkeys((use.used_kind, use.used) for use in found):
        users = [use for use in found if (use.used_kind, use.used) == (kind, name)]
        referrers, place = (
            describe_uses(users),
            next((located for use in users if (located := documents.get((use.kind, use.name)))), at),
        )
        yield place.problem(
            [place.kind],
            (
                f"{kind} {name} would be pruned, but is used by {referrers}. Change that, or keep the "
                f"document of {name}."
            ),
        )


def takeover_notes(
    blueprint: str, tenant: str, requested: Iterable[ObjectChange], owned: Mapping[tuple[str, str], Owned]
) -> Iterator[str]:
    """Yield a note for each other blueprint whose objects this one takes over, unchanged objects included."""
    rows = [owned[each.kind, each.name] for each in requested if (each.kind, each.name) in owned]
    for other, count in sorted(Counter(row.blueprint for row in rows if row.blueprint != blueprint).items()):
        objects, pronoun = ("1 object", "it") if count == 1 else (f"{count} objects", "them")
        yield (
            f"Takes over {objects} of {tenant} from the blueprint {other}, "
            f"which then no longer prunes {pronoun}."
        )
