"""Sort documents by their references, and find references that are missing or circular."""

from collections.abc import Collection, Iterable, Mapping
from graphlib import TopologicalSorter

from blueprints.files.problems import Problem
from blueprints.files.read import Located
from blueprints.objects.document import SHORT_GRANTS
from blueprints.objects.kind import Reference
from blueprints.objects.registry import KINDS
from flows.documents.versions import circle, live_names, references
from idp.accounts.people import group_names
from idp.foundation.text import did_you_mean
from idp.oauth.clients import scope_names
from idp.oauth.grant import grants
from idp.oauth.scopes import administrative, is_reserved

_CHECKED_WITH_FLOWS = (
    "flow for part",
    "person",
    "group for condition",
    "scope for condition",
    "application for condition",
)


def in_order(documents: list[Located]) -> tuple[list[Located], list[Problem], set[str]]:
    """Return the documents sorted, the problems of circular flows, and the flows that lead into a circle.

    Documents are sorted by kind, and flows after the flows that they contain. The problem of a circle shows
    its path.
    """
    flows = {each.name: each for each in documents if each.kind == "flow"}
    parts = {
        name: [part for part in references(each.document) if part in flows] for name, each in flows.items()
    }
    problems, round_about = list[Problem](), set[str]()
    while way := circle(parts):
        round_about.update(way)
        first = flows[way[0]]
        referring = (
            each.path
            for each in KINDS["flow"].references(first.document)
            if each.kind == "flow for part" and each.name == way[1]
        )
        problems.append(
            first.problem(
                next(referring, ("steps",)), f"Circular reference between flows: {' → '.join(way)}."
            )
        )
        parts[way[0]] = []
    after = {name: at for at, name in enumerate(TopologicalSorter(parts).static_order())}
    round_about.update(
        name for name in after if round_about and name in parts and round_about & _reached(name, parts)
    )
    places = {kind: at for at, kind in enumerate(KINDS)}
    ordered = sorted(
        documents, key=lambda each: (places[each.kind], after.get(each.name, 0) if each.kind == "flow" else 0)
    )
    return ordered, problems, round_about


def _reached(name: str, parts: Mapping[str, Collection[str]]) -> set[str]:
    """Return every flow that this one contains, at any depth."""
    found, waiting = set[str](), [name]
    while waiting:
        new = set(parts.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def missing_references(
    documents: list[Located], gone: Mapping[str, Collection[str]] | None = None
) -> list[Problem]:
    """Return a problem for each reference that exists neither here nor in the tenant in scope.

    Each problem suggests the closest name. ``gone`` holds the names, by kind, that the tenant will no longer
    have. For references that only flows contain, only ``gone`` is checked here; the rest is checked with the
    flows.
    """
    leaving = gone or {}
    mentioned = [
        (each, reference) for each in documents for reference in KINDS[each.kind].references(each.document)
    ]
    there: dict[str, set[str]] = {}
    problems = []
    for each, reference in mentioned:
        if reference.name in leaving.get(reference.object_kind, ()):
            what = f"{reference.object_kind} {reference.name}"
            problems.append(
                each.problem(
                    reference.path,
                    (f"{what} would be pruned. Keep its document, or remove the reference here."),
                )
            )
            continue
        if reference.kind in _CHECKED_WITH_FLOWS:
            continue
        if reference.kind not in there:
            there[reference.kind] = _there(reference.kind, documents)
        if reference.name not in there[reference.kind]:
            hint = did_you_mean(reference.name, _suggested(reference, there[reference.kind]))
            kind, _, designation = reference.kind.partition(" for ")
            what = f"{kind} {reference.name[:150]}" + (f" for {designation}" if designation else "")
            problems.append(each.problem(reference.path, f"There is no {what}.{hint}"))
    return problems


def _suggested(reference: Reference, there: Iterable[str]) -> list[str]:
    """Return the names to suggest.

    The scopes of the administration are only suggested for a name that begins like one.
    """
    offered = sorted(SHORT_GRANTS.get(name, name) for name in there)
    if reference.kind != "scope" or is_reserved(reference.name):
        return offered
    return [name for name in offered if name not in administrative(offered)]


def _there(kind: str, documents: Iterable[Located]) -> set[str]:
    """Return every name of this kind that a document may refer to."""
    if kind == "grant":
        return set(grants())
    if kind.startswith("flow for "):
        designation = kind.removeprefix("flow for ")
        named = {
            each.name
            for each in documents
            if each.kind == "flow" and (each.document.designation == designation or ("for",) in each.told)
        }
        return named | set(live_names(designation))
    stored: Mapping[str, set[str]] = {"group": set(group_names()), "scope": set(scope_names())}
    return {each.name for each in documents if each.kind == kind} | stored[kind]
