"""Publishes flows: a document becomes the live version once lint and its own tests have passed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from flows.documents.designations import SUB_FLOW
from flows.documents.document import FlowDocument
from flows.documents.lint import Finding, lint
from flows.documents.published import content_digest
from flows.documents.versions import (
    InvalidFlow,
    find_cycle,
    live_names,
    only_errors,
    resolve_sub_flows,
    sub_flow_names,
    version_of,
)
from flows.models import Flow, Version
from flows.simulation.flow_tests import run_flow_tests
from idp.events.bus import publish as publish_event
from idp.foundation.text import clean_lines
from idp.tenancy.scope import current_tenant

MAX_NOTE_LENGTH = 300


@dataclass(frozen=True)
class PublishResult:
    """The live version, and whether it is new."""

    version: Version
    changed: bool


@dataclass(frozen=True)
class PreparedFlow:
    """A checked document with its current sub-flows, ready for :func:`store`, and its lint warnings."""

    document: FlowDocument
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = field(default=(), compare=False)


def publish(document: FlowDocument, *, by: str, note: str = "") -> PublishResult:
    """Make this document the live version of its flow; write nothing if it is so already.

    Lint and the flow's own tests run first; raise InvalidFlow when they find errors.
    """
    return store(prepare(document), by=by, note=note)


def prepare(
    document: FlowDocument,
    sub_flows: Mapping[str, FlowDocument] | None = None,
    *,
    may_view_people: bool = True,
    planned_names: Mapping[str, Collection[str]] | None = None,
) -> PreparedFlow:
    """Check a document by lint and its own tests, without writing; raise InvalidFlow.

    ``sub_flows``: sub-flows that are not published yet. ``may_view_people``: False on behalf of users who may
    not view people (flows/simulation/flow_tests.py). ``planned_names``: names that conditions may use
    although the objects do not exist yet (flows/documents/lint.py).
    """
    used = resolve_sub_flows(document, sub_flows or {})
    linted = [*lint(document, used, planned_names=planned_names or {}), *_cycle_findings(document, used)]
    findings = only_errors(linted)
    findings = findings or run_flow_tests(document, used, may_view_people=may_view_people)
    if findings:
        raise InvalidFlow(findings)
    stored_sub_flows = {name: part.as_json() for name, part in sorted(used.items())}
    return PreparedFlow(document, stored_sub_flows, tuple(each for each in linted if each.level == "warning"))


@transaction.atomic
def store(prepared: PreparedFlow, *, by: str, note: str = "") -> PublishResult:
    """Write a prepared flow and make it live; raise InvalidFlow when it conflicts with the tenant's flows."""
    document, parts, note = prepared.document, dict(prepared.parts), clean_lines(note, MAX_NOTE_LENGTH)
    flow = _lock_flow(document.flow, parts)
    if errors := [*_missing_sub_flows(parts), *find_conflicts(document)]:
        raise InvalidFlow(errors)
    stored = document.as_json()
    if flow and flow.live and (flow.live.document, flow.live.parts) == (stored, parts):
        return PublishResult(flow.live, changed=False)
    flow = flow or _create_flow(document)
    number = (flow.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version = Version.objects.create(
        flow=flow,
        number=number,
        document=stored,
        parts=parts,
        digest=content_digest(stored, parts),
        note=note,
        author=by,
        tenant=current_tenant(),
    )
    Flow.objects.filter(pk=flow.pk).update(
        live=version, is_default=_is_default(document), designation=document.designation
    )
    publish_event("flow.published", actor=by, target=document.flow, version=number, note=note)
    return PublishResult(version, changed=True)


@transaction.atomic
def roll_back(name: str, number: int, *, by: str, note: str = "") -> Version:
    """Make an earlier version live again, unchanged.

    Raise NoSuchVersion, or InvalidFlow when the version can no longer run.
    """
    version, note = version_of(name, number), clean_lines(note, MAX_NOTE_LENGTH)
    document = FlowDocument.model_validate(version.document)
    _lock_flow(name, version.parts)
    parts = {name: FlowDocument.model_validate(part) for name, part in version.parts.items()}
    if errors := only_errors([*lint(document, parts), *_missing_sub_flows(parts), *find_conflicts(document)]):
        raise InvalidFlow(errors)
    if version.flow.live_id != version.pk:
        Flow.objects.filter(pk=version.flow_id).update(live=version, is_default=_is_default(document))
        previous = version.flow.live.number if version.flow.live else None
        publish_event("flow.rolled_back", actor=by, target=name, version=number, left=previous, note=note)
    return version


@transaction.atomic
def delete_flow(name: str, *, by: str) -> bool:
    """Delete a flow with all of its versions and runs; return whether there was one."""
    retire([name])
    deleted = bool(Flow.objects.filter(name=name).delete()[0])
    if deleted:
        publish_event("flow.deleted", actor=by, target=name)
    return deleted


def retire(names: Iterable[str]) -> None:
    """Make these flows no longer live, so that no run can start and others may take their place."""
    Flow.objects.filter(name__in=list(names)).update(live=None)


def find_conflicts(
    document: FlowDocument,
    planned: Mapping[str, FlowDocument] | None = None,
    known: Mapping[str, Flow] | None = None,
) -> list[Finding]:
    """Return why this flow conflicts with the tenant's flows; [] where it does not.

    ``planned``: flows that will be written with it. ``known``: all flows of the tenant, by name, where they
    were loaded already.
    """
    flows = {flow.name: flow for flow in Flow.objects.all()} if known is None else known
    flow, coming = flows.get(document.flow), planned or {}
    if flow and flow.live_id and flow.designation != document.designation:
        message = f"The purpose of {flow.name} is {flow.designation} and can't be changed. Create a new flow."
        return [Finding(("for",), message)]
    if not _is_default(document):
        return []
    others = [
        each
        for each in flows.values()
        if each.is_default and each.live_id and each.designation == document.designation
    ]
    staying = [each.name for each in others if each.name not in coming]
    conflicting = [
        name
        for name, each in coming.items()
        if _is_default(each) and each.designation == document.designation
    ]
    if other := next((name for name in [*staying, *conflicting] if name != document.flow), None):
        return [
            Finding(
                ("default",),
                f"The default flow for {document.designation} is already {other}. Set default: false.",
            )
        ]
    return []


def _cycle_findings(document: FlowDocument, used: Mapping[str, FlowDocument]) -> Iterator[Finding]:
    """Yield a finding with the path if the flow refers back to itself."""
    if cycle := find_cycle(
        {
            **{name: sub_flow_names(part) for name, part in used.items()},
            document.flow: sub_flow_names(document),
        }
    ):
        at = cycle.index(document.flow) if document.flow in cycle else 0
        path = " → ".join([*cycle[at:-1], *cycle[:at], cycle[at]])
        yield Finding(("steps",), f"Sub-flows form a loop: {path}.")


def _lock_flow(name: str, parts: Iterable[str]) -> Flow | None:
    """Lock the flow and its sub-flows until the transaction ends, and return the flow.

    A concurrent deletion of one of these starts over, because its row was written. Only then it sees what
    refers to the row.
    """
    rows = (
        Flow.objects.select_related("live")
        .select_for_update(of=("self",))
        .filter(name__in={name, *parts})
        .order_by("name")
    )
    flow = next((row for row in list(rows) if row.name == name), None)
    if parts:
        Flow.objects.filter(name__in=set(parts)).update(designation=F("designation"))
    return flow


def _missing_sub_flows(parts: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each sub-flow that was deleted.

    A version still runs with its sub-flows as they were, but it could not be published or exported again.
    """
    live = set(live_names(SUB_FLOW)) if parts else set()
    for name in sorted(set(parts) - live):
        yield Finding(("steps",), f"Sub-flow {name} is no longer published.")


def _create_flow(document: FlowDocument) -> Flow:
    return Flow.objects.create(
        name=document.flow,
        designation=document.designation,
        is_default=_is_default(document),
        tenant=current_tenant(),
    )


def _is_default(document: FlowDocument) -> bool:
    return document.default and document.designation != SUB_FLOW
