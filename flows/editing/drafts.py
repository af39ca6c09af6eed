"""Drafts of flows, with a check for concurrent edits.

An editor sees the draft of a flow, or else its live version, with a tag that changes on every edit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from flows.documents.designations import DESIGNATIONS, SUB_FLOW
from flows.documents.document import FlowDocument
from flows.documents.versions import NoSuchVersion, check_storable, parse_flow
from flows.editing.publishing import PublishResult, prepare, publish, store
from flows.models import Draft, Flow
from idp.events.bus import publish as publish_event
from idp.foundation.errors import Changed
from idp.tenancy.scope import current_tenant


class DraftChanged(Changed):
    """The draft was changed by another person in the meantime."""

    def __init__(self, revision: int) -> None:
        super().__init__()
        self.revision = revision  # the current one, 0 if the draft was published or discarded


@dataclass(frozen=True)
class EditableDraft:
    """The document to edit, as it is stored, valid or not.

    ``revision_tag`` identifies this state of it. ``revision``: that of the draft, None without one.

    ``by`` and ``at``: who saved the draft, and when; ``live``: the number of the live version.
    """

    name: str
    document: Mapping[str, Any]
    revision_tag: str
    revision: int | None = None
    by: str = ""
    at: datetime | None = None
    live: int | None = None

    def parsed(self) -> FlowDocument:
        """Return the typed document; raise InvalidFlow where it is invalid."""
        return parse_flow({**self.document, "flow": self.name})


def load(name: str) -> EditableDraft:
    """Return the draft of this flow, else its live version, else an empty document; raise NoSuchVersion."""
    flow = Flow.objects.select_related("live").filter(name=name).first()
    if flow is None:
        raise NoSuchVersion
    live = flow.live.number if flow.live else None
    if draft := draft_of(name):
        mark = f"d{draft.pk}-{draft.revision}"
        return EditableDraft(name, draft.document, mark, draft.revision, draft.author, draft.updated_at, live)
    if flow.live:
        return EditableDraft(name, flow.live.document, f"v{live}", live=live)
    empty = {"flow": name, "title": name, "for": flow.designation, "default": flow.is_default, "steps": []}
    return EditableDraft(name, empty, "empty")


def save(name: str, document: FlowDocument, *, by: str, revision_tag: str) -> EditableDraft:
    """Save the draft if it is unchanged since ``revision_tag``, and return the current state.

    A document that equals the live version needs no draft, so an existing one is deleted. Raise DraftChanged
    or InvalidFlow with nothing written, or NoSuchVersion.
    """
    check_storable(document)
    current = load(name)
    if current.revision_tag != revision_tag:
        raise DraftChanged(current.revision or 0)
    if current.revision and is_live(name, document):
        drop_draft(name, current.revision)
    elif current.document != document.as_json():
        save_draft(name, document.as_json(), by=by, revision=current.revision)
    return load(name)


@transaction.atomic
def create_draft(document: FlowDocument, *, by: str, sub_flows: Iterable[FlowDocument] = ()) -> bool:
    """Save the first draft of a new flow; return False where the name is taken. Raise InvalidFlow.

    ``sub_flows``: its sub-flows, each after those to which it refers. One that the tenant already has stays
    as it is. The others are published, because people never run a sub-flow by itself.
    """
    if Flow.objects.filter(name=document.flow).exists():
        return False
    for part in sub_flows:
        if not Flow.objects.filter(name=part.flow).exists():
            publish(part, by=by)
    try:
        save_draft(document.flow, document.as_json(), by=by, revision=None)
    except DraftChanged:
        return False
    return True


@transaction.atomic
def save_draft(name: str, document: Mapping[str, Any], *, by: str, revision: int | None) -> Draft:
    """Save the draft, valid or not, next to the live version.

    ``revision``: the one that was edited, None for a first draft. Raise DraftChanged on a concurrent change,
    or InvalidFlow.
    """
    check_storable(document)
    flow = Flow.objects.filter(name=name).first()
    if flow is None:
        designation = document.get("for")
        values = {
            "designation": designation if designation in DESIGNATIONS else SUB_FLOW,
            "is_default": False,
            "tenant": current_tenant(),
        }
        flow = Flow.objects.get_or_create(name=name, defaults=values)[0]
    values = {"document": dict(document), "author": by, "updated_at": timezone.now()}
    if revision is None:
        draft, created = Draft.objects.get_or_create(
            flow=flow, defaults={"base": flow.live, "tenant": current_tenant(), **values}
        )
        if not created:
            raise DraftChanged(draft.revision)
        return draft
    if not Draft.objects.filter(flow=flow, revision=revision).update(revision=revision + 1, **values):
        raise DraftChanged(Draft.objects.filter(flow=flow).values_list("revision", flat=True).first() or 0)
    return Draft.objects.get(flow=flow)


def draft_of(name: str) -> Draft | None:
    """Return the draft of this flow."""
    return Draft.objects.filter(flow__name=name).select_related("flow__live", "base").first()


def publish_draft(
    name: str, *, by: str, note: str = "", revision: int | None = None, may_view_people: bool = True
) -> PublishResult:
    """Publish the draft and delete it.

    ``may_view_people``: as in :func:`prepare_streams`. Raise NoSuchVersion, DraftChanged or InvalidFlow.
    """
    draft = draft_of(name)
    if draft is None:
        raise NoSuchVersion
    if revision is not None and draft.revision != revision:
        raise DraftChanged(draft.revision)
    prepared = prepare(parse_flow({**draft.document, "flow": name}), may_view_people=may_view_people)
    with transaction.atomic():
        published = store(prepared, by=by, note=note)
        if not Draft.objects.filter(pk=draft.pk, revision=draft.revision).delete()[0]:
            raise DraftChanged(draft.revision + 1)
    return published


def discard_draft(name: str, *, by: str, revision: int | None = None) -> bool:
    """Delete the draft if it has this ``revision``, any by default; return whether it did."""
    filters = {} if revision is None else {"revision": revision}
    deleted = bool(Draft.objects.filter(flow__name=name, **filters).delete()[0])
    if deleted:
        publish_event("flow.draft_discarded", actor=by, target=name)
    return deleted


def drop_draft(name: str, revision: int) -> None:
    """Delete this revision of a draft that equals the live version; raise DraftChanged."""
    if not Draft.objects.filter(flow__name=name, revision=revision).delete()[0]:
        raise DraftChanged(
            Draft.objects.filter(flow__name=name).values_list("revision", flat=True).first() or 0
        )


def is_live(name: str, document: FlowDocument) -> bool:
    """Return whether exactly this document is the live version."""
    flow = Flow.objects.select_related("live").filter(name=name).first()
    return bool(flow and flow.live and flow.live.document == document.as_json())
