"""What an editor has before them: the draft of a flow, or else its live version, with a mark that changes when anybody edits it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.document import FlowDocument
from flows.models import Flow
from flows.versions import DraftMoved, NoSuchVersion, draft_of, drop_draft, is_live, parse, publish, save_draft, storable


@dataclass(frozen=True)
class Desk:
    """``document`` as it is stored, right or wrong. ``mark`` names this state of it; ``revision``: of the draft, None without one.

    ``by`` and ``at``: who saved the draft, and when; ``live``: the number of the live version.
    """

    name: str
    document: Mapping[str, Any]
    mark: str
    revision: int | None = None
    by: str = ""
    at: datetime | None = None
    live: int | None = None

    def parsed(self) -> FlowDocument:
        """The typed document; raises RefusedFlow where it is none."""
        return parse({**self.document, "flow": self.name})


def desk(name: str) -> Desk:
    """What there is to edit of this flow; raises NoSuchVersion."""
    flow = Flow.objects.select_related("live").filter(name=name).first()
    if flow is None:
        raise NoSuchVersion(NoSuchVersion.__doc__)
    live = flow.live.number if flow.live else None
    if draft := draft_of(name):
        mark = f"d{draft.pk}-{draft.revision}"
        return Desk(name, draft.document, mark, draft.revision, draft.author, draft.updated_at, live)
    if flow.live:
        return Desk(name, flow.live.document, f"v{live}", live=live)
    empty = {"flow": name, "title": name, "for": flow.designation, "default": flow.is_default, "steps": []}
    return Desk(name, empty, "empty")


def keep(name: str, document: FlowDocument, *, by: str, mark: str) -> Desk:
    """Saves the draft if nobody has edited since ``mark``; what is live already needs none, and a draft that has become so goes.

    Raises DraftMoved or RefusedFlow with nothing written, or NoSuchVersion.
    """
    storable(document)
    found = desk(name)
    if found.mark != mark:
        raise DraftMoved(found.revision or 0)
    if found.revision and is_live(name, document):
        drop_draft(name, found.revision)
    elif found.document != document.as_json():
        save_draft(name, document.as_json(), by=by, revision=found.revision)
    return desk(name)


@transaction.atomic
def begin(document: FlowDocument, *, by: str, parts: Iterable[FlowDocument] = ()) -> bool:
    """A first draft of a new flow; False where the name is taken already. Raises RefusedFlow.

    ``parts``: sub-flows that come with it, those to which others refer first. One that the tenant has already stays as it is; the
    others are published, for nobody meets a part by itself.
    """
    if Flow.objects.filter(name=document.flow).exists():
        return False
    for part in parts:
        if not Flow.objects.filter(name=part.flow).exists():
            publish(part, by=by)
    try:
        save_draft(document.flow, document.as_json(), by=by, revision=None)
    except DraftMoved:
        return False
    return True
