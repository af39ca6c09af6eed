"""Resolves which revision of a flow is meant: its draft, the live version, or a version by number."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.documents.document import FlowDocument
from flows.documents.versions import NoSuchVersion, parse, sub_flows, version_of
from flows.editing.drafts import draft_of
from flows.engine.planner import document_of, parts_of
from flows.models import Draft, Version

DRAFT = "draft"
NEWEST = 50  # how many versions are offered


@dataclass(frozen=True)
class Choice:
    """A revision that can be chosen; ``which`` is ``draft`` or a number."""

    which: str
    live: bool = False


@dataclass(frozen=True)
class Chosen:
    """One revision of a flow.

    ``parts``: its sub-flows; those of a draft are the live ones. ``revision``: that of a draft, else 0.
    """

    name: str
    which: str
    document: FlowDocument
    parts: Mapping[str, FlowDocument]
    live: bool = False
    revision: int = 0


def choose(name: str, which: str = "") -> Chosen:
    """Return this revision of the flow; by default its draft if there is one, else the live version.

    Raise NoSuchVersion, or RefusedFlow where the draft is no valid flow.
    """
    draft = draft_of(name) if which in ("", DRAFT) else None
    if draft:
        document = parse({**draft.document, "flow": name})
        return Chosen(name, DRAFT, document, sub_flows(document, {}), revision=draft.revision)
    if which and not (which.isascii() and which.isdigit() and len(which) < 10):
        raise NoSuchVersion
    version = version_of(name, int(which) if which else None)
    return Chosen(
        name,
        str(version.number),
        document_of(version),
        parts_of(version),
        live=version.flow.live_id == version.pk,
    )


def states(name: str) -> list[Choice]:
    """Return the revisions that can be chosen: the draft, then the versions, newest first."""
    rows = (
        Version.objects.filter(flow__name=name)
        .order_by("-number")
        .values_list("number", "pk", "flow__live")[:NEWEST]
    )
    drafts = [Choice(DRAFT)] if Draft.objects.filter(flow__name=name).exists() else []
    return [*drafts, *(Choice(str(number), pk == live) for number, pk, live in rows)]
