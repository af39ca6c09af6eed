"""Queries for flows and their published versions, and parsing of their documents."""

import json
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from django.db.models import F
from pydantic import ValidationError

from flows.documents.designations import SUB_FLOW
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.layout import MAX_NODES
from flows.documents.lint import Finding
from flows.models import Flow, Version
from flows.validation_messages import describe_error
from idp.foundation.errors import NotFound


class InvalidFlow(Exception):
    """The flow has errors; ``findings`` names them all."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(
            "; ".join(f"{'.'.join(map(str, finding.path))}: {finding.message}" for finding in findings)
        )
        self.findings = findings


class NoSuchVersion(NotFound):
    """There is no such flow, draft or version."""


def check_storable(document: FlowDocument | Mapping[str, Any]) -> None:
    """Raise InvalidFlow for values that no database stores as JSON (NaN, NUL, half of a surrogate pair).

    Settings are open, so they may contain such values.
    """
    try:
        data = document.as_json() if isinstance(document, FlowDocument) else document
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise InvalidFlow([Finding((), "It contains a number or text that can't be stored.")]) from None
    if any("\0" in text for text in _iter_texts(data)):
        raise InvalidFlow([Finding((), "Text can't contain NUL characters.")])


def parse_flow(document: Mapping[str, Any]) -> FlowDocument:
    """Return the typed document; raise InvalidFlow with a finding for each invalid key."""
    try:
        return FlowDocument.model_validate(document)
    except ValidationError as errors:
        raise InvalidFlow(
            [Finding(tuple(each["loc"]), describe_error(each)) for each in errors.errors()]
        ) from None


def sub_flow_names(document: FlowDocument) -> list[str]:
    """Return the sub-flows to which the flow itself refers, in the order of its steps."""
    return list(dict.fromkeys(_references(document.steps)))


def only_errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that prevent publishing."""
    return [finding for finding in findings if finding.level == "error"]


def live_version(designation: str, name: str = "") -> Version | None:
    """Return the live version of the named flow, or of the tenant's default for this designation."""
    filters = {"name": name} if name else {"is_default": True}
    flow = (
        Flow.objects.select_related("live__flow")
        .filter(designation=designation, live__isnull=False, **filters)
        .first()
    )
    return flow.live if flow else None


def live_names(designation: str) -> list[str]:
    """Return the names of the flows for this designation that have a live version."""
    return list(
        Flow.objects.filter(designation=designation, live__isnull=False)
        .order_by("name")
        .values_list("name", flat=True)
    )


def live_defaults() -> dict[str, str]:
    """Return the designations of the tenant's live default flows, by flow name."""
    return dict(Flow.objects.filter(is_default=True, live__isnull=False).values_list("name", "designation"))


def version_of(name: str, number: int | None = None) -> Version:
    """Return a version by its number, by default the live one; raise NoSuchVersion."""
    versions = Version.objects.select_related("flow__live").filter(flow__name=name)
    found = (
        versions.filter(number=number) if number is not None else versions.filter(pk=F("flow__live"))
    ).first()
    if found is None:
        raise NoSuchVersion
    return found


def list_flows() -> list[Flow]:
    """Return the tenant's flows by name, each with its live version and its draft."""
    return list(Flow.objects.select_related("live", "draft").order_by("name"))


def list_versions(name: str) -> list[Version]:
    """Return every version of a flow, newest first, with the flow."""
    return list(Version.objects.filter(flow__name=name).select_related("flow").order_by("-number"))


def resolve_sub_flows(
    document: FlowDocument, unpublished: Mapping[str, FlowDocument]
) -> dict[str, FlowDocument]:
    """Return all sub-flows that the flow uses, directly or not: from ``unpublished``, else the live ones."""
    found: dict[str, FlowDocument] = {}
    pending = set(_references(document.steps))
    while pending and len(found) <= MAX_NODES:  # more are too many in any layout
        name = pending.pop()
        part = unpublished.get(name) or _live_part(name)
        if part is not None and name not in found:
            found[name] = part
            pending |= set(_references(part.steps)) - found.keys()
    return found


def _references(steps: Iterable[StepDocument]) -> Iterator[str]:
    for step in steps:
        if step.flow is not None:
            yield step.flow
        yield from _references(step.steps)


def live_sub_flows() -> dict[str, FlowDocument]:
    """Return every live sub-flow by name, in one query."""
    rows = Flow.objects.select_related("live").filter(designation=SUB_FLOW, live__isnull=False)
    return {row.name: FlowDocument.model_validate(row.live.document) for row in rows if row.live}


def _live_part(name: str) -> FlowDocument | None:
    version = live_version(SUB_FLOW, name)
    return FlowDocument.model_validate(version.document) if version else None


def find_cycle(sub_flows: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the path on which flows lead back to the first of it, () where none do.

    ``resolve_sub_flows``: the sub-flows of each flow, by name.
    """
    try:
        TopologicalSorter(sub_flows).prepare()
    except CycleError as found:
        return tuple(reversed(found.args[1]))
    return ()


def _iter_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _iter_texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _iter_texts(each)
