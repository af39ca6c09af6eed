"""Resolves which revision of a flow is meant: its draft, the live version, or a version by number."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.documents.document import FlowDocument
from flows.documents.published import document_of, sub_flows_of
from flows.documents.versions import NoSuchVersion, parse_flow, resolve_sub_flows, version_of
from flows.editing.drafts import draft_of
from flows.models import Draft, Version

DRAFT = "draft"
MAX_LISTED_VERSIONS = 50  # how many versions are offered


@dataclass(frozen=True)
class RevisionChoice:
    """A revision that can be chosen; ``label`` is ``draft`` or a number."""

    label: str
    live: bool = False


@dataclass(frozen=True)
class FlowRevision:
    """One revision of a flow.

    ``parts``: its sub-flows; those of a draft are the live ones. ``revision``: that of a draft, else 0.
    """

    name: str
    label: str
    document: FlowDocument
    parts: Mapping[str, FlowDocument]
    live: bool = False
    revision: int = 0


def resolve_revision(name: str, label: str = "") -> FlowRevision:
    """Return this revision of the flow; by default its draft if there is one, else the live version.

    Raise NoSuchVersion, or InvalidFlow where the draft is no valid flow.
    """
    draft = draft_of(name) if label in ("", DRAFT) else None
    if draft:
        document = parse_flow({**draft.document, "flow": name})
        return FlowRevision(name, DRAFT, document, resolve_sub_flows(document, {}), revision=draft.revision)
    if label and not (label.isascii() and label.isdigit() and len(label) < 10):
        raise NoSuchVersion
    version = version_of(name, int(label) if label else None)
    return FlowRevision(
        name,
        str(version.number),
        document_of(version),
        sub_flows_of(version),
        live=version.flow.live_id == version.pk,
    )


def list_revisions(name: str) -> list[RevisionChoice]:
    """Return the revisions that can be chosen: the draft, then the versions, newest first."""
    rows = (
        Version.objects.filter(flow__name=name)
        .order_by("-number")
        .values_list("number", "pk", "flow__live")[:MAX_LISTED_VERSIONS]
    )
    drafts = [RevisionChoice(DRAFT)] if Draft.objects.filter(flow__name=name).exists() else []
    return [*drafts, *(RevisionChoice(str(number), pk == live) for number, pk, live in rows)]
