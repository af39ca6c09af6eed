"""Sort documents by their references, and find references that are missing or circular."""

from collections.abc import Collection, Iterable, Mapping
from graphlib import TopologicalSorter

from blueprints.files.problems import Problem
from blueprints.files.read import LocatedDocument
from blueprints.objects.document import SHORT_GRANTS
from blueprints.objects.kind import Reference
from blueprints.objects.registry import KINDS
from flows.documents.versions import find_cycle, live_names, sub_flow_names
from idp.accounts.people import group_names
from idp.foundation.text import did_you_mean
from idp.oauth.clients import scope_names
from idp.oauth.grant import load_grants
from idp.oauth.scopes import administrative_scopes, is_reserved

_CHECKED_WITH_FLOWS = (
    "flow for part",
    "person",
    "group for condition",
    "scope for condition",
    "application for condition",
)


def sort_documents(documents: list[LocatedDocument]) -> tuple[list[LocatedDocument], list[Problem], set[str]]:
    """Return the documents sorted, the problems of circular flows, and the flows that lead into a circle.

    Documents are sorted by kind, and flows after the flows that they contain. The problem of a circle shows
    its path.
    """
    flows = {each.name: each for each in documents if each.kind == "flow"}
    sub_flows = {
        name: [sub_flow for sub_flow in sub_flow_names(each.document) if sub_flow in flows]
        for name, each in flows.items()
    }
    problems, circular = list[Problem](), set[str]()
    while cycle := find_cycle(sub_flows):
        circular.update(cycle)
        first = flows[cycle[0]]
        referring = (
            each.path
            for each in KINDS["flow"].references(first.document)
            if each.kind == "flow for part" and each.name == cycle[1]
        )
        problems.append(
            first.problem(
                next(referring, ("steps",)), f"Circular reference between flows: {' → '.join(cycle)}."
            )
        )
        sub_flows[cycle[0]] = []
    flow_positions = {name: at for at, name in enumerate(TopologicalSorter(sub_flows).static_order())}
    circular.update(
        name
        for name in flow_positions
        if circular and name in sub_flows and circular & _reachable_flows(name, sub_flows)
    )
    positions = {kind: at for at, kind in enumerate(KINDS)}
    ordered = sorted(
        documents,
        key=lambda each: (
            positions[each.kind],
            flow_positions.get(each.name, 0) if each.kind == "flow" else 0,
        ),
    )
    return ordered, problems, circular


def _reachable_flows(name: str, sub_flows: Mapping[str, Collection[str]]) -> set[str]:
    """Return every flow that this one contains, at any depth."""
    found, pending = set[str](), [name]
    while pending:
        new = set(sub_flows.get(pending.pop(), ())) - found
        found |= new
        pending += new
    return found


def missing_references(
    documents: list[LocatedDocument], gone: Mapping[str, Collection[str]] | None = None
) -> list[Problem]:
    """Return a problem for each reference that exists neither here nor in the tenant in scope.

    Each problem suggests the closest name. ``gone`` holds the names, by kind, that the tenant will no longer
    have. For references that only flows contain, only ``gone`` is checked here; the rest is checked with the
    flows.
    """
    deleted = gone or {}
    mentions = [
        (each, reference) for each in documents for reference in KINDS[each.kind].references(each.document)
    ]
    available: dict[str, set[str]] = {}
    problems = []
    for each, reference in mentions:
        if reference.name in deleted.get(reference.object_kind, ()):
            target = f"{reference.object_kind} {reference.name}"
            problems.append(
                each.problem(
                    reference.path,
                    (f"{target} would be pruned. Keep its document, or remove the reference here."),
                )
            )
            continue
        if reference.kind in _CHECKED_WITH_FLOWS:
            continue
        if reference.kind not in available:
            available[reference.kind] = _available_names(reference.kind, documents)
        if reference.name not in available[reference.kind]:
            hint = did_you_mean(reference.name, _suggestions(reference, available[reference.kind]))
            kind, _, designation = reference.kind.partition(" for ")
            target = f"{kind} {reference.name[:150]}" + (f" for {designation}" if designation else "")
            problems.append(each.problem(reference.path, f"There is no {target}.{hint}"))
    return problems


def _suggestions(reference: Reference, available: Iterable[str]) -> list[str]:
    """Return the names to suggest.

    The scopes of the administration are only suggested for a name that begins like one.
    """
    offered = sorted(SHORT_GRANTS.get(name, name) for name in available)
    if reference.kind != "scope" or is_reserved(reference.name):
        return offered
    return [name for name in offered if name not in administrative_scopes(offered)]


def _available_names(kind: str, documents: Iterable[LocatedDocument]) -> set[str]:
    """Return every name of this kind that a document may refer to."""
    if kind == "grant":
        return set(load_grants())
    if kind.startswith("flow for "):
        designation = kind.removeprefix("flow for ")
        defined = {
            each.name
            for each in documents
            if each.kind == "flow"
            and (each.document.designation == designation or ("for",) in each.known_problems)
        }
        return defined | set(live_names(designation))
    stored: Mapping[str, set[str]] = {"group": set(group_names()), "scope": set(scope_names())}
    return {each.name for each in documents if each.kind == kind} | stored[kind]
