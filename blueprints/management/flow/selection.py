"""Select flows on the command line: the live version, another version, the draft, or a file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.management.base import CommandError

from blueprints.files.problems import BadBlueprint
from blueprints.files.read import LocatedDocument, read
from flows.documents.document import FlowDocument
from flows.documents.layout import lay_out
from flows.documents.published import document_of, sub_flows_of
from flows.documents.versions import (
    InvalidFlow,
    NoSuchVersion,
    list_versions,
    parse_flow,
    resolve_sub_flows,
    version_of,
)
from flows.editing.drafts import draft_of
from flows.models import Draft, Flow, Version
from idp.foundation.arguments import suggest_name
from idp.tenancy.scope import current_tenant


@dataclass(frozen=True)
class SelectedFlow:
    """A flow with its sub-flows and a label such as ``connect-a-device, version 3``."""

    document: FlowDocument
    label: str
    parts: Mapping[str, FlowDocument] = field(default_factory=dict)


def select_flow(
    name: str, *, version: int | None = None, draft: bool = False, file: Path | None = None
) -> SelectedFlow:
    """Return the flow with this name; raise CommandError with the closest name."""
    if file is not None:
        return flows_in_file(file, name)[0]
    if draft:
        found = get_draft(name)
        document = parse_draft(name, found)
        return SelectedFlow(document, f"{name}, draft", resolve_sub_flows(document, {}))
    return _select_version(get_version(name, version))


def live_flows(names: Iterable[str]) -> list[SelectedFlow]:
    """Return the live flows with these names, or all live flows of the tenant if there are no names."""
    requested = list(names)
    if requested:
        return [select_flow(name) for name in requested]
    flows = Flow.objects.filter(live__isnull=False).order_by("name")
    return [select_flow(flow.name) for flow in flows]


def select_two(name: str, given: Sequence[str]) -> tuple[SelectedFlow, SelectedFlow]:
    """Return the two flows to compare, from version numbers or ``draft``; raise CommandError.

    A single version, by default the live one, is compared with the version before it.
    """
    if len(given) > 2:
        raise CommandError("Give at most two versions to compare.")
    last = given[-1] if given else str(get_version(name).number)
    first = given[0] if len(given) == 2 else _version_before(name, last)
    return _select_side(name, first), _select_side(name, last)


def check_steps(flow: SelectedFlow, steps: Iterable[str]) -> None:
    """Raise CommandError for a step that the flow does not have, with the closest one that it has."""
    step_ids = lay_out(flow.document, flow.parts).by_id
    for step in steps:
        if step not in step_ids:
            raise CommandError(f"{flow.label} has no step {step}.{suggest_name(step, step_ids)}")


def flows_in_file(file: Path, name: str = "") -> list[SelectedFlow]:
    """Return the flows of a blueprint file for the tenant in scope, or only the one with this ``name``.

    Raise CommandError.
    """
    documents = {each.name: each.document for each in read_flows(file)}
    if name and name not in documents:
        raise CommandError(f"There is no flow {name} in {file}.{suggest_name(name, documents)}")
    selected = [documents[name]] if name else documents.values()
    return [
        SelectedFlow(each, f"{each.flow} in {file}", resolve_sub_flows(each, documents)) for each in selected
    ]


def read_flows(file: Path) -> list[LocatedDocument]:
    """Return the flow documents of a blueprint file for the tenant in scope, with their positions.

    Raise CommandError if the file is invalid or has only flows of other tenants.
    """
    try:
        flows = [each for each in read([file]).documents if each.kind == "flow"]
    except BadBlueprint as bad:
        raise CommandError(str(bad)) from None
    tenant = current_tenant().name
    found = [each for each in flows if each.tenant == tenant]
    if not found:
        others = sorted({each.tenant for each in flows})
        hint = f" It has flows of {', '.join(others)}. Use --tenant." if others else ""
        raise CommandError(f"There is no flow of tenant {tenant} in {file}.{hint}")
    return found


def get_version(name: str, number: int | None = None) -> Version:
    """Return a version of the flow, the live one without a number; raise CommandError."""
    try:
        return version_of(name, number)
    except NoSuchVersion:
        pass
    flow = _get_flow(name)
    if number is None:
        raise CommandError(f"{name} has no published version, only a draft.")
    numbers = [str(each) for each in flow.versions.order_by("number").values_list("number", flat=True)]
    raise CommandError(
        f"{name} has no version {number}."
        + (f" Available versions: {', '.join(numbers)}." if numbers else "")
    )


def get_draft(name: str) -> Draft:
    """Return the draft of a flow; raise CommandError."""
    _get_flow(name)
    draft = draft_of(name)
    if draft is None:
        raise CommandError(f"{name} has no draft.")
    return draft


def parse_draft(name: str, draft: Draft) -> FlowDocument:
    """Return the draft as a validated document; raise CommandError with every error."""
    try:
        return parse_flow({"flow": name, **draft.document})
    except InvalidFlow as refused:
        raise CommandError(f"The draft of {name} isn't a valid flow:\n{format_findings(refused)}") from None


def format_findings(refused: InvalidFlow) -> str:
    """Return the findings of a refused flow, one on each line."""
    return "\n".join(f"  {'.'.join(map(str, each.path))}: {each.message}" for each in refused.findings)


def _get_flow(name: str) -> Flow:
    flow = Flow.objects.filter(name=name).first()
    if flow is None:
        tenant = current_tenant().name
        raise CommandError(
            f"There is no flow {name} in tenant "
            f"{tenant}.{suggest_name(name, Flow.objects.values_list('name', flat=True))}"
        )
    return flow


def _select_version(version: Version) -> SelectedFlow:
    return SelectedFlow(
        document_of(version), f"{version.flow.name}, version {version.number}", sub_flows_of(version)
    )


def _version_before(name: str, last: str) -> str:
    """Return the version to compare with: the live one for a draft, the previous one for a version."""
    if last == "draft":
        return str(get_version(name).number)
    earlier = [each.number for each in list_versions(name) if _is_number(last) and each.number < int(last)]
    if not earlier:
        raise CommandError(f"{name} has no version before {last}.")
    return str(earlier[0])


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 10


def _select_side(name: str, which: str) -> SelectedFlow:
    if which == "draft":
        return select_flow(name, draft=True)
    if not _is_number(which):
        raise CommandError(f"{which} must be a version number or draft.")
    return select_flow(name, version=int(which))
