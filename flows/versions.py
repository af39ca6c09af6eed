"""The verbs of flows: publish a version, find the live one."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max

from flows.document import FlowDocument
from flows.lint import Finding, lint
from flows.models import Designation, Flow, Version
from idp.events.bus import publish as tell
from idp.tenancy.scope import current_tenant


class RefusedFlow(Exception):
    """The flow has errors; ``findings`` names them all."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, finding.path))}: {finding.message}" for finding in findings))
        self.findings = findings


@dataclass(frozen=True)
class Published:
    """The live version, and whether it is new."""

    version: Version
    changed: bool


@transaction.atomic
def publish(document: FlowDocument, *, by: str, note: str = "") -> Published:
    """Makes this document the live version of its flow; writes nothing when it is so already. Raises RefusedFlow."""
    flow = Flow.objects.select_related("live").filter(name=document.flow).first()
    errors = [finding for finding in [*lint(document), *_fits(document, flow)] if finding.level == "error"]
    if errors:
        raise RefusedFlow(errors)
    stored = document.as_json()
    if flow and flow.live and flow.live.document == stored:
        return Published(flow.live, changed=False)
    flow = flow or Flow.objects.create(
        name=document.flow, designation=document.designation, is_default=document.default, tenant=current_tenant()
    )
    number = (flow.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version = Version.objects.create(flow=flow, number=number, document=stored, note=note, author=by, tenant=current_tenant())
    Flow.objects.filter(pk=flow.pk).update(live=version, is_default=document.default)
    tell("flow.published", actor=by, target=document.flow, version=number, note=note)
    return Published(version, changed=True)


def live_version(designation: str, name: str = "") -> Version | None:
    """The live version of the named flow, or of the tenant's own for this designation."""
    wanted = {"name": name} if name else {"is_default": True}
    flow = Flow.objects.select_related("live__flow").filter(designation=designation, live__isnull=False, **wanted).first()
    return flow.live if flow else None


def _fits(document: FlowDocument, flow: Flow | None) -> list[Finding]:
    if flow and flow.designation != document.designation:
        return [Finding(("for",), f"The flow {flow.name} is for {flow.designation}; make a new flow instead.")]
    others = Flow.objects.filter(designation=document.designation, is_default=True, live__isnull=False).exclude(name=document.flow)
    if document.default and (other := others.first()):
        message = f"The tenant's flow for {Designation(document.designation)} is {other.name} already; say default: false."
        return [Finding(("default",), message)]
    return []
