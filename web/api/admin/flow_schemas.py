"""The schemas of flows: drafts, versions, differences, dry runs, runs and their counts."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from flows.documents.document import Answers, Circumstances, SimulatedUser
from web.api.schemas import RequestBody


class FlowFinding(BaseModel):
    """A problem of a flow. Errors prevent publishing."""

    path: list[str | int]
    message: str
    level: Literal["error", "warning"]


class FlowDraft(BaseModel):
    """A draft, valid or not, with its problems."""

    document: dict[str, Any]
    revision: int
    author: str
    updated: datetime
    base: int | None = Field(description="The version it is based on.")
    findings: list[FlowFinding]


class FlowVersion(BaseModel):
    """One published state of a flow, which never changes."""

    number: int
    live: bool
    created: datetime
    author: str
    note: str
    document: dict[str, Any]
    parts: dict[str, Any] = Field(description="Its sub-flows, as of publication.")


class PublishedFlow(BaseModel):
    """The published version."""

    version: int
    changed: bool = Field(description="false: there was nothing to change.")


class FlowChange(BaseModel):
    """One difference. An empty `step` means the flow itself."""

    kind: Literal["added", "removed", "moved", "changed"]
    step: str
    key: str
    old: Any
    new: Any


class FlowDifference(BaseModel):
    """The differences between two versions of a flow."""

    old: str
    new: str
    changes: list[FlowChange]


class FlowFindings(BaseModel):
    """All problems in the order of the steps. `tests`: failures of the flow's tests."""

    findings: list[FlowFinding]
    tests: list[FlowFinding]


class DryRunStep(BaseModel):
    """What one step does in a dry run."""

    step: str
    decision: str = Field(
        description="asks, done, passed over, known before, entered, refused, denied, leaves, ends "
        "or broken.",
        examples=["asks"],
    )
    stage: str
    condition: dict[str, Any] | None
    shows: dict[str, Any] | None
    learned: list[str]
    outputs: dict[str, Any]
    effects: list[dict[str, Any]]
    message: str


class DryRunResult(BaseModel):
    """The result of a dry run. Nothing was saved or sent."""

    which: str
    ends: Literal["finished", "asks", "denied", "leaves", "broken"]
    steps: list[DryRunStep]


class FlowCount(BaseModel):
    """The counts of one step. The step with an empty name is the whole run."""

    step: str
    reached: int
    finished: int
    refused: int
    left: int
    mean_seconds: float
    median_seconds: int


class FlowCounts(BaseModel):
    """The counts of a version, without runs in progress.

    ``under_way``: how many runs of any version are in progress.
    """

    version: int
    under_way: int
    steps: list[FlowCount]


class FlowRunStep(BaseModel):
    """One step that a run reached. Times are in milliseconds since its start."""

    step: str
    stage: str
    decision: str
    condition: dict[str, Any] | None
    asked: int | None
    decided: int | None


class FlowRun(BaseModel):
    """A run as an administrator sees it, without secrets."""

    run: str
    flow: str
    version: int
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end: str
    message: str
    at: str
    path: list[FlowRunStep]
    facts: dict[str, Any]


class PublishRequest(RequestBody):
    """A note for the version history."""

    note: str = Field("", max_length=300)


class RollBackRequest(PublishRequest):
    """The version to publish again, with a note."""

    version: int = Field(ge=1, le=1_000_000, strict=True)


class FlowSelection(RequestBody):
    """The version of the flow: `draft` or a version number.

    Empty: the draft if it exists, otherwise the published version.
    """

    which: str = Field("", pattern=r"^(draft|[1-9][0-9]{0,6})?$", examples=["draft"])


class DryRunRequest(FlowSelection):
    """The person, the circumstances and the answers of a dry run.

    Passwords and codes are not checked: send `passes` or `refuses`.
    """

    person: str | SimulatedUser = Field(
        "",
        description="A username, which requires the permission to see people, or a test user.",
    )
    request: Circumstances = Circumstances()
    answers: Answers = Field(
        default_factory=dict, description="By step: the submitted values, or `passes` or `refuses`."
    )


class FlowTestRequest(DryRunRequest):
    """A dry run to save as a test. It runs before every publish and must have the same result."""

    name: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        max_length=150,
        description="The name of the test, unique in the flow.",
        examples=["A guest is refused"],
    )
