"""System checks: a broken stage stops the server, and a live flow that cannot run causes a warning."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError
from django.utils.translation import ngettext
from pydantic import ValidationError

from flows.documents.lint import Finding, lint
from flows.documents.published import document_of, sub_flows_of
from flows.models import Flow, Version
from flows.registry import BrokenStage, stages


@register()
def stages_keep_the_contract(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Import every stage and check its declarations."""
    try:
        stages()
    except BrokenStage as broken:
        return [Error(str(broken), id="foyer.E001", hint="Fix the file or uninstall its package.")]
    return []


@register(Tags.database)
def live_flows_can_run(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Lint the live version of every flow, because a stage or setting may have been removed since."""
    try:
        stages()
        flows = list(Flow.unscoped.filter(live__isnull=False).select_related("live", "tenant"))
    except (BrokenStage, DatabaseError):
        return []  # reported by the check above, or no tables yet
    return [
        Warning(
            (
                f"Flow {flow.name} of tenant {flow.tenant}: {'.'.join(map(str, finding.path))}: "
                f"{finding.message}"
            ),
            id="foyer.W001",
        )
        for flow in flows
        for finding in _findings(flow.live)
        if finding.level == "error"
    ]


def _findings(live: Version | None) -> list[Finding]:
    if live is None:
        return []
    try:
        return lint(document_of(live), sub_flows_of(live))
    except ValidationError as error:
        errors = ngettext("%d error", "%d errors", error.error_count()) % error.error_count()
        return [Finding((), f"the document is no longer valid: {errors}")]
