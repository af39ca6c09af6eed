"""The flow and the revision that a page is about, and the steps that findings are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, QueryDict
from django.urls import reverse

from flows.documents.lint import Finding
from flows.documents.versions import InvalidFlow, NoSuchVersion
from flows.editing.drafts import draft_of
from flows.editing.revisions import DRAFT, FlowRevision, RevisionChoice, list_revisions, resolve_revision


@dataclass(frozen=True)
class LocatedFinding:
    """A finding with its step, and the URL where it can be fixed.

    ``key``: the path below the step, with dots.
    """

    message: str
    level: str
    step: str = ""
    key: str = ""
    url: str = ""


@dataclass(frozen=True)
class RequestedRevision:
    """The revision that was requested.

    ``chosen``: None if the draft is not a valid flow; ``findings`` then contains the reasons.
    """

    name: str
    which: str
    choices: list[RevisionChoice]
    revision: FlowRevision | None = None
    findings: list[LocatedFinding] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Return the title of the flow in this revision, or its name if the revision is not valid."""
        return self.revision.document.title if self.revision else self.name

    @property
    def template_context(self) -> dict[str, Any]:
        """Return the template context that all pages of a flow share."""
        return {
            "name": self.name,
            "which": self.which,
            "choices": self.choices,
            "chosen": self.revision,
            "findings": self.findings,
        }


def requested_revision(name: str, query: QueryDict) -> RequestedRevision:
    """Return the revision of this flow that ``which`` in the query names; 404 if there is none."""
    which, choices = query.get("which", "")[:20], list_revisions(name)
    try:
        chosen = resolve_revision(name, which)
    except NoSuchVersion:
        raise Http404 from None
    except InvalidFlow as refused:
        return RequestedRevision(name, DRAFT, choices, findings=draft_findings(name, refused))
    return RequestedRevision(name, chosen.label, choices, chosen)


def flow_title(name: str) -> str:
    """Return the title of a flow, from its draft or else its live version.

    It is the name of the flow if neither is valid.
    """
    try:
        return resolve_revision(name).document.title
    except (NoSuchVersion, InvalidFlow):
        return name


def draft_findings(name: str, refused: InvalidFlow) -> list[LocatedFinding]:
    """Return the findings because of which the draft is not a valid flow."""
    draft = draft_of(name)
    return locate_findings(name, refused.findings, draft.document if draft else {})


def locate_findings(
    name: str, findings: Iterable[Finding], document: Mapping[str, Any]
) -> list[LocatedFinding]:
    """Return the findings with their steps.

    ``document``: as JSON, {} if it cannot be read.
    """
    return [_locate(name, finding, document) for finding in findings]


def _locate(name: str, finding: Finding, document: Mapping[str, Any]) -> LocatedFinding:
    step, rest, value = "", tuple(map(str, finding.path)), document
    if finding.path[:1] == ("tests",) and len(finding.path) > 1 and isinstance(finding.path[1], int):
        return LocatedFinding(
            finding.message,
            finding.level,
            key=".".join(rest[2:]),
            url=f"{reverse('console:flow-try', args=[name])}?tests=1",
        )
    for at, part in enumerate(finding.path):
        try:
            value = value[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(part, int) and isinstance(value, Mapping):
            step, rest = (
                next((str(value[key]) for key in ("id", "stage", "group", "flow") if key in value), ""),
                rest[at - len(finding.path) + 1 :],
            )
    return LocatedFinding(finding.message, finding.level, step, ".".join(rest), builder_url(name, step))


def builder_url(name: str, step: str = "") -> str:
    """Return the URL of the builder for this flow, optionally at a step."""
    return reverse("console:builder", args=[name]) + (f"?step={step}" if step else "")
