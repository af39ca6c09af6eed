"""Find what ``--prune`` deletes, and what would still refer to it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from blueprints.files.problems import Problem
from blueprints.files.read import Located
from blueprints.models import Owned
from blueprints.objects.kind import Change
from blueprints.objects.person import administrators_after
from blueprints.objects.registry import KINDS
from blueprints.objects.uses import Use, told, uses

Gone = Mapping[str, Collection[str]]


def pruned(
    blueprint: str, tenant: str, wanted: Sequence[Change], owned: Iterable[Owned]
) -> tuple[list[Change], list[str]]:
    """Return the deletions of what this blueprint managed and no longer contains, and notes.

    The deletions are in reverse order of creation. They never include a tenant or the last administrator.
    """
    named = {(each.kind, each.name) for each in wanted}
    rows = [
        row
        for row in owned
        if row.blueprint == blueprint and (row.kind, row.name) not in named and row.kind != "tenant"
    ]
    gone = {kind: {row.name for row in rows if row.kind == kind} for kind in KINDS}
    admins, notes = (
        sorted(administrators_after([each for each in wanted if each.kind == "person"])),
        list[str](),
    )
    if admins and set(admins) <= gone["person"]:
        notes.append(
            f"person {admins[0]} of {tenant} is not deleted: the tenant would have no administrator."
        )
        gone["person"].remove(admins[0])
    changes = []
    for kind in reversed(KINDS.values()):
        for name, before in sorted(kind.current(gone[kind.name]).items()) if gone[kind.name] else ():
            changes.append(Change(tenant, kind.name, name, "delete", before=before))
    return changes, notes


def leaving(changes: Iterable[Change]) -> Gone:
    """Return the names that these changes delete, by kind."""
    gone: dict[str, set[str]] = {}
    for change in changes:
        if change.action == "delete":
            gone.setdefault(change.kind, set()).add(change.name)
    return gone


def remaining(changes: Sequence[Change]) -> list[Use]:
    """Return the stored references that remain to what these changes delete."""
    gone = leaving(changes)
    return (
        list(uses(gone, {(each.kind, each.name): each.given for each in changes if each.located}))
        if gone
        else []
    )


def still_named(changes: Sequence[Change], at: Located) -> Iterator[Problem]:
    """Yield a problem for each deleted object that a remaining object still refers to.

    The problem is located at the document of the referring object, or at ``at`` if it has none.
    """
    found, documents = remaining(changes), {(each.kind, each.name): each.located for each in changes}
    for kind, name in dict.fromkeys((use.used_kind, use.used) for use in found):
        users = [use for use in found if (use.used_kind, use.used) == (kind, name)]
        who, place = (
            told(users),
            next((there for use in users if (there := documents.get((use.kind, use.name)))), at),
        )
        yield place.problem(
            [place.kind],
            (
                f"{kind} {name} would be pruned, but is used by {who}. Change that, or keep the "
                f"document of {name}."
            ),
        )


def moving(
    blueprint: str, tenant: str, wanted: Iterable[Change], owned: Mapping[tuple[str, str], Owned]
) -> Iterator[str]:
    """Yield a note for each other blueprint whose objects this one takes over, unchanged objects included."""
    rows = [owned[each.kind, each.name] for each in wanted if (each.kind, each.name) in owned]
    for other, many in sorted(Counter(row.blueprint for row in rows if row.blueprint != blueprint).items()):
        what, them = ("1 object", "it") if many == 1 else (f"{many} objects", "them")
        yield (
            f"Takes over {what} of {tenant} from the blueprint {other}, which then no longer prunes {them}."
        )
