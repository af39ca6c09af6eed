"""The flow and the revision that a page is about, and the steps that findings are about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, QueryDict
from django.urls import reverse

from flows.documents.lint import Finding
from flows.documents.versions import NoSuchVersion, RefusedFlow
from flows.editing.drafts import draft_of
from flows.editing.revisions import DRAFT, Choice, Chosen, choose, states


@dataclass(frozen=True)
class Wrong:
    """A finding with its step, and the URL where it can be fixed.

    ``key``: the path below the step, with dots.
    """

    message: str
    level: str
    step: str = ""
    key: str = ""
    url: str = ""


@dataclass(frozen=True)
class Asked:
    """The revision that was requested.

    ``chosen``: None if the draft is not a valid flow; ``findings`` then contains the reasons.
    """

    name: str
    which: str
    choices: list[Choice]
    chosen: Chosen | None = None
    findings: list[Wrong] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Return the title of the flow in this revision, or its name if the revision is not valid."""
        return self.chosen.document.title if self.chosen else self.name

    @property
    def frame(self) -> dict[str, Any]:
        """Return the template context that all pages of a flow share."""
        return {
            "name": self.name,
            "which": self.which,
            "choices": self.choices,
            "chosen": self.chosen,
            "findings": self.findings,
        }


def asked(name: str, query: QueryDict) -> Asked:
    """Return the revision of this flow that ``which`` in the query names; 404 if there is none."""
    which, choices = query.get("which", "")[:20], states(name)
    try:
        chosen = choose(name, which)
    except NoSuchVersion:
        raise Http404 from None
    except RefusedFlow as refused:
        return Asked(name, DRAFT, choices, findings=of_draft(name, refused))
    return Asked(name, chosen.which, choices, chosen)


def title_of(name: str) -> str:
    """Return the title of a flow, from its draft or else its live version.

    It is the name of the flow if neither is valid.
    """
    try:
        return choose(name).document.title
    except (NoSuchVersion, RefusedFlow):
        return name


def of_draft(name: str, refused: RefusedFlow) -> list[Wrong]:
    """Return the findings because of which the draft is not a valid flow."""
    draft = draft_of(name)
    return located(name, refused.findings, draft.document if draft else {})


def located(name: str, findings: Iterable[Finding], document: Mapping[str, Any]) -> list[Wrong]:
    """Return the findings with their steps.

    ``document``: as JSON, {} if it cannot be read.
    """
    return [_locate(name, finding, document) for finding in findings]


def _locate(name: str, finding: Finding, document: Mapping[str, Any]) -> Wrong:
    step, rest, value = "", tuple(map(str, finding.path)), document
    if finding.path[:1] == ("tests",) and len(finding.path) > 1 and isinstance(finding.path[1], int):
        return Wrong(
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
    return Wrong(finding.message, finding.level, step, ".".join(rest), builder_url(name, step))


def builder_url(name: str, step: str = "") -> str:
    """Return the URL of the builder for this flow, optionally at a step."""
    return reverse("console:builder", args=[name]) + (f"?step={step}" if step else "")
