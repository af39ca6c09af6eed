"""Which state of a flow is meant: its draft, what is live, or a version by its number."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.documents.document import FlowDocument
from flows.documents.versions import NoSuchVersion, parse, sub_flows, version_of
from flows.editing.drafts import draft_of
from flows.engine.planner import document_of, parts_of
from flows.models import Draft, Version

DRAFT = "draft"
NEWEST = 50  # as many versions are offered to choose from


@dataclass(frozen=True)
class Choice:
    """One that can be chosen. ``which``: ``draft`` or a number."""

    which: str
    live: bool = False


@dataclass(frozen=True)
class Chosen:
    """A flow in one of its states.

    ``parts``: its sub-flows, of a draft as they are live now. ``revision``: of a draft, else 0.
    """

    name: str
    which: str
    document: FlowDocument
    parts: Mapping[str, FlowDocument]
    live: bool = False
    revision: int = 0


def choose(name: str, which: str = "") -> Chosen:
    """The flow in this state; without one its draft if there is any, else what is live.

    Raises NoSuchVersion, or RefusedFlow where the draft is no flow yet.
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
    """What can be chosen: the draft, then the versions, newest first."""
    rows = (
        Version.objects.filter(flow__name=name)
        .order_by("-number")
        .values_list("number", "pk", "flow__live")[:NEWEST]
    )
    drafts = [Choice(DRAFT)] if Draft.objects.filter(flow__name=name).exists() else []
    return [*drafts, *(Choice(str(number), pk == live) for number, pk, live in rows)]
