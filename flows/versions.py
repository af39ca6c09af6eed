"""The verbs of flows: edit a draft, publish a version, roll back, find the live one."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from pydantic import ValidationError

from flows.designations import DESIGNATIONS, PART
from flows.document import FlowDocument, StepDocument
from flows.layout import MAX_BOXES
from flows.lint import Finding, lint
from flows.models import Draft, Flow, Version
from flows.rehearsal import rehearse
from flows.wording import sentence
from idp.events.bus import publish as tell
from idp.foundation.text import cleaned_lines
from idp.tenancy.scope import current_tenant

LONGEST_NOTE = 300


class RefusedFlow(Exception):
    """The flow has errors; ``findings`` names them all."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, finding.path))}: {finding.message}" for finding in findings))
        self.findings = findings


class NoSuchVersion(Exception):
    """There is no such flow, draft or version."""


class DraftMoved(Exception):
    """Somebody else has changed the draft in the meantime; ``revision`` is theirs, 0 where they published or discarded it."""

    def __init__(self, revision: int) -> None:
        super().__init__(self.__doc__)
        self.revision = revision


@dataclass(frozen=True)
class Published:
    """The live version, and whether it is new."""

    version: Version
    changed: bool


@dataclass(frozen=True)
class Prepared:
    """A document that has been found good, with the sub-flows as they are now: what :func:`store` writes, and what lint warns of."""

    document: FlowDocument
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = field(default=(), compare=False)


def publish(document: FlowDocument, *, by: str, note: str = "") -> Published:
    """Makes this document the live version of its flow; writes nothing when it is so already.

    Lint and the flow's own tests come first; raises RefusedFlow when they find errors.
    """
    return store(prepare(document), by=by, note=note)


def prepare(
    document: FlowDocument,
    parts: Mapping[str, FlowDocument] | None = None,
    *,
    names: bool = True,
    coming: Mapping[str, Collection[str]] | None = None,
) -> Prepared:
    """Checks a document without writing: lint, and its tests. ``parts``: sub-flows that are not published yet. ``names``: False on
    behalf of whoever may not look at people (flows/rehearsal.py). ``coming``: what conditions may name that is not there yet
    (flows/lint.py). Raises RefusedFlow.
    """
    used = sub_flows(document, parts or {})
    linted = [*lint(document, used, names=coming or {}), *_circles(document, used)]
    findings = errors_of(linted)
    findings = findings or rehearse(document, used, names=names)
    if findings:
        raise RefusedFlow(findings)
    told = {name: part.as_json() for name, part in sorted(used.items())}
    return Prepared(document, told, tuple(each for each in linted if each.level == "warning"))


@transaction.atomic
def store(prepared: Prepared, *, by: str, note: str = "") -> Published:
    """Writes what was prepared, and makes it live; raises RefusedFlow when it does not fit what the tenant has."""
    document, parts, note = prepared.document, dict(prepared.parts), cleaned_lines(note, LONGEST_NOTE)
    flow = _held(document.flow, parts)
    if errors := [*_lost(parts), *unfit(document)]:
        raise RefusedFlow(errors)
    stored = document.as_json()
    if flow and flow.live and (flow.live.document, flow.live.parts) == (stored, parts):
        return Published(flow.live, changed=False)
    flow = flow or _new(document)
    number = (flow.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version = Version.objects.create(flow=flow, number=number, document=stored, parts=parts, note=note, author=by, tenant=current_tenant())
    Flow.objects.filter(pk=flow.pk).update(live=version, is_default=_is_default(document), designation=document.designation)
    tell("flow.published", actor=by, target=document.flow, version=number, note=note)
    return Published(version, changed=True)


@transaction.atomic
def roll_back(name: str, number: int, *, by: str, note: str = "") -> Version:
    """Makes an earlier version live again, as it was; raises NoSuchVersion, or RefusedFlow when it can no longer run."""
    version, note = version_of(name, number), cleaned_lines(note, LONGEST_NOTE)
    document = FlowDocument.model_validate(version.document)
    _held(name, version.parts)
    parts = {name: FlowDocument.model_validate(part) for name, part in version.parts.items()}
    if errors := errors_of([*lint(document, parts), *_lost(parts), *unfit(document)]):
        raise RefusedFlow(errors)
    if version.flow.live_id != version.pk:
        Flow.objects.filter(pk=version.flow_id).update(live=version, is_default=_is_default(document))
        left = version.flow.live.number if version.flow.live else None
        tell("flow.rolled_back", actor=by, target=name, version=number, left=left, note=note)
    return version


@transaction.atomic
def save_draft(name: str, document: Mapping[str, Any], *, by: str, revision: int | None) -> Draft:
    """Keeps what is being edited, right or wrong, beside the live version.

    ``revision``: the one that was edited, None for a first draft. Raises DraftMoved when somebody was faster, or RefusedFlow.
    """
    storable(document)
    flow = Flow.objects.filter(name=name).first()
    if flow is None:
        designation = document.get("for")
        values = {"designation": designation if designation in DESIGNATIONS else PART, "is_default": False, "tenant": current_tenant()}
        flow = Flow.objects.get_or_create(name=name, defaults=values)[0]
    values = {"document": dict(document), "author": by, "updated_at": timezone.now()}
    if revision is None:
        draft, made = Draft.objects.get_or_create(flow=flow, defaults={"base": flow.live, "tenant": current_tenant(), **values})
        if not made:
            raise DraftMoved(draft.revision)
        return draft
    if not Draft.objects.filter(flow=flow, revision=revision).update(revision=revision + 1, **values):
        raise DraftMoved(Draft.objects.filter(flow=flow).values_list("revision", flat=True).first() or 0)
    return Draft.objects.get(flow=flow)


def storable(document: FlowDocument | Mapping[str, Any]) -> None:
    """Settings are open: what no database keeps as JSON (NaN, NUL, half of a surrogate pair) is refused here. Raises RefusedFlow."""
    try:
        told = document.as_json() if isinstance(document, FlowDocument) else document
        json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise RefusedFlow([Finding((), "There is a number or a text in it that cannot be stored.")]) from None
    if any("\0" in text for text in _texts(told)):
        raise RefusedFlow([Finding((), "A text has no NUL character.")])


def draft_of(name: str) -> Draft | None:
    """The draft of this flow."""
    return Draft.objects.filter(flow__name=name).select_related("flow__live", "base").first()


def publish_draft(name: str, *, by: str, note: str = "", revision: int | None = None, names: bool = True) -> Published:
    """Publishes the draft and puts it away. ``names``: as :func:`prepare`. Raises NoSuchVersion, DraftMoved or RefusedFlow."""
    draft = draft_of(name)
    if draft is None:
        raise NoSuchVersion(NoSuchVersion.__doc__)
    if revision is not None and draft.revision != revision:
        raise DraftMoved(draft.revision)
    prepared = prepare(parse({**draft.document, "flow": name}), names=names)
    with transaction.atomic():
        published = store(prepared, by=by, note=note)
        if not Draft.objects.filter(pk=draft.pk, revision=draft.revision).delete()[0]:
            raise DraftMoved(draft.revision + 1)
    return published


def discard_draft(name: str, *, by: str, revision: int | None = None) -> bool:
    """Throws the draft away, of another ``revision`` nothing; answers whether it did."""
    wanted = {} if revision is None else {"revision": revision}
    gone = bool(Draft.objects.filter(flow__name=name, **wanted).delete()[0])
    if gone:
        tell("flow.draft_discarded", actor=by, target=name)
    return gone


def drop_draft(name: str, revision: int) -> None:
    """Take this revision of a draft away, with which nothing is lost; raise DraftMoved where somebody was faster."""
    if not Draft.objects.filter(flow__name=name, revision=revision).delete()[0]:
        raise DraftMoved(Draft.objects.filter(flow__name=name).values_list("revision", flat=True).first() or 0)


def is_live(name: str, document: FlowDocument) -> bool:
    """Return whether this very document is the live version."""
    flow = Flow.objects.select_related("live").filter(name=name).first()
    return bool(flow and flow.live and flow.live.document == document.as_json())


def parse(document: Mapping[str, Any]) -> FlowDocument:
    """The typed document; raises RefusedFlow with a finding for each key that is wrong."""
    try:
        return FlowDocument.model_validate(document)
    except ValidationError as errors:
        raise RefusedFlow([Finding(tuple(each["loc"]), sentence(each)) for each in errors.errors()]) from None


@transaction.atomic
def remove(name: str, *, by: str) -> bool:
    """Takes a flow away with all of its versions and runs; answers whether there was one."""
    retire([name])
    gone = bool(Flow.objects.filter(name=name).delete()[0])
    if gone:
        tell("flow.deleted", actor=by, target=name)
    return gone


def retire(names: Iterable[str]) -> None:
    """Nobody can begin these flows any more, and others may take their place."""
    Flow.objects.filter(name__in=list(names)).update(live=None)


def references(document: FlowDocument) -> list[str]:
    """The sub-flows to which it refers itself, in the order of its steps."""
    return list(dict.fromkeys(_references(document.steps)))


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep a flow from being published."""
    return [finding for finding in findings if finding.level == "error"]


def live_version(designation: str, name: str = "") -> Version | None:
    """The live version of the named flow, or of the tenant's own for this designation."""
    wanted = {"name": name} if name else {"is_default": True}
    flow = Flow.objects.select_related("live__flow").filter(designation=designation, live__isnull=False, **wanted).first()
    return flow.live if flow else None


def live_names(designation: str) -> list[str]:
    """The flows for this designation that have a live version."""
    return list(Flow.objects.filter(designation=designation, live__isnull=False).order_by("name").values_list("name", flat=True))


def live_defaults() -> dict[str, str]:
    """What the tenant's default flows are for, by their name."""
    return dict(Flow.objects.filter(is_default=True, live__isnull=False).values_list("name", "designation"))


def version_of(name: str, number: int | None = None) -> Version:
    """A version by its number, the live one without; raises NoSuchVersion."""
    versions = Version.objects.select_related("flow__live").filter(flow__name=name)
    found = (versions.filter(number=number) if number is not None else versions.filter(pk=F("flow__live"))).first()
    if found is None:
        raise NoSuchVersion(NoSuchVersion.__doc__)
    return found


def every() -> list[Flow]:
    """The tenant's flows by name, each with its live version and its draft."""
    return list(Flow.objects.select_related("live", "draft").order_by("name"))


def history(name: str) -> list[Version]:
    """Every version of a flow, newest first, with the flow."""
    return list(Version.objects.filter(flow__name=name).select_related("flow").order_by("-number"))


def sub_flows(document: FlowDocument, fresh: Mapping[str, FlowDocument]) -> dict[str, FlowDocument]:
    """Every flow to which this one refers, and to which those do: from ``fresh``, else as it is live now."""
    found: dict[str, FlowDocument] = {}
    wanted = set(_references(document.steps))
    while wanted and len(found) <= MAX_BOXES:  # more of them are too many however they lie
        name = wanted.pop()
        part = fresh.get(name) or _live_part(name)
        if part is not None and name not in found:
            found[name] = part
            wanted |= set(_references(part.steps)) - found.keys()
    return found


def _references(steps: Iterable[StepDocument]) -> Iterator[str]:
    for step in steps:
        if step.flow is not None:
            yield step.flow
        yield from _references(step.steps)


def live_parts() -> dict[str, FlowDocument]:
    """Every sub-flow that is live, by name, in one query."""
    rows = Flow.objects.select_related("live").filter(designation=PART, live__isnull=False)
    return {row.name: FlowDocument.model_validate(row.live.document) for row in rows if row.live}


def _live_part(name: str) -> FlowDocument | None:
    version = live_version(PART, name)
    return FlowDocument.model_validate(version.document) if version else None


def circle(parts: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The way on which flows lead back to the first of it, () where none do. ``parts``: the sub-flows of each, by name."""
    try:
        TopologicalSorter(parts).prepare()
    except CycleError as found:
        return tuple(reversed(found.args[1]))
    return ()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _circles(document: FlowDocument, used: Mapping[str, FlowDocument]) -> Iterator[Finding]:
    """A flow that comes back to itself, with the way it takes."""
    if way := circle({**{name: references(part) for name, part in used.items()}, document.flow: references(document)}):
        at = way.index(document.flow) if document.flow in way else 0
        told = " → ".join([*way[at:-1], *way[:at], way[at]])
        yield Finding(("steps",), f"Flows refer to each other in a circle: {told}.")


def _held(name: str, parts: Iterable[str]) -> Flow | None:
    """Return the flow, with whose sub-flows nobody else does anything until the transaction ends.

    Whoever has begun to delete one of these begins anew, because its row was written: only then they see who names it.
    """
    rows = Flow.objects.select_related("live").select_for_update(of=("self",)).filter(name__in={name, *parts}).order_by("name")
    flow = next((row for row in list(rows) if row.name == name), None)
    if parts:
        Flow.objects.filter(name__in=set(parts)).update(designation=F("designation"))
    return flow


def _lost(parts: Iterable[str]) -> Iterator[Finding]:
    """Sub-flows that were deleted: a version walks them as they were, but nobody could publish or export it again."""
    live = set(live_names(PART)) if parts else set()
    for name in sorted(set(parts) - live):
        yield Finding(("steps",), f"There is no published flow {name} with for: part any more.")


def _new(document: FlowDocument) -> Flow:
    return Flow.objects.create(
        name=document.flow, designation=document.designation, is_default=_is_default(document), tenant=current_tenant()
    )


def _is_default(document: FlowDocument) -> bool:
    return document.default and document.designation != PART


def unfit(
    document: FlowDocument, planned: Mapping[str, FlowDocument] | None = None, known: Mapping[str, Flow] | None = None
) -> list[Finding]:
    """Why this flow does not go together with what the tenant has.

    ``planned``: flows that will be written with it. ``known``: all that the tenant has, by name, where that was read already.
    """
    flows = {flow.name: flow for flow in Flow.objects.all()} if known is None else known
    flow, coming = flows.get(document.flow), planned or {}
    if flow and flow.live_id and flow.designation != document.designation:
        return [Finding(("for",), f"The flow {flow.name} is for {flow.designation}; make a new flow instead.")]
    if not _is_default(document):
        return []
    others = [each for each in flows.values() if each.is_default and each.live_id and each.designation == document.designation]
    staying = [each.name for each in others if each.name not in coming]
    alike = [name for name, each in coming.items() if _is_default(each) and each.designation == document.designation]
    if other := next((name for name in [*staying, *alike] if name != document.flow), None):
        return [Finding(("default",), f"The tenant's flow for {document.designation} is {other} already; say default: false.")]
    return []
