"""What is sent and answered about flows: drafts, versions, what differs, dry runs, runs and their counts."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, StringConstraints
from pydantic import Field as say

from flows.documents.document import Answers, Circumstances, InventedPerson
from web.api.schemas import Sent


class FlowFinding(BaseModel):
    """What is wrong in a flow, and where; an error keeps it from being published."""

    path: list[str | int]
    message: str
    level: Literal["error", "warning"]


class FlowDraft(BaseModel):
    """What is being edited, right or wrong, and what is wrong with it."""

    document: dict[str, Any]
    revision: int
    author: str
    updated: datetime
    base: int | None = say(description="The version from which it was begun.")
    findings: list[FlowFinding]


class FlowVersion(BaseModel):
    """One published state of a flow, which never changes."""

    number: int
    live: bool
    created: datetime
    author: str
    note: str
    document: dict[str, Any]
    parts: dict[str, Any] = say(description="Its sub-flows as they were when it was published.")


class FlowLive(BaseModel):
    """Which version is live now."""

    version: int
    changed: bool = say(description="false: it was so already.")


class FlowChange(BaseModel):
    """One thing that differs. `step` is empty where it is about the flow itself."""

    kind: Literal["added", "removed", "moved", "changed"]
    step: str
    key: str
    old: Any
    new: Any


class FlowDifference(BaseModel):
    """What became of the flow and of each of its steps."""

    old: str
    new: str
    changes: list[FlowChange]


class FlowFindings(BaseModel):
    """Everything that is wrong, in the order of the steps; `tests` is about the flow's own tests."""

    findings: list[FlowFinding]
    tests: list[FlowFinding]


class FlowStep(BaseModel):
    """What one step would do in a dry run."""

    step: str
    decision: str = say(
        description="asks, done, passed over, known before, entered, refused, denied, leaves, ends "
        "or broken.",
        examples=["asks"],
    )
    stage: str
    condition: dict[str, Any] | None
    shows: dict[str, Any] | None
    learned: list[str]
    told: dict[str, Any]
    effects: list[dict[str, Any]]
    message: str


class FlowWalk(BaseModel):
    """A dry run: nothing was written, nothing was sent."""

    which: str
    ends: Literal["finished", "asks", "denied", "leaves", "broken"]
    steps: list[FlowStep]


class FlowCount(BaseModel):
    """What became of those who came to a step; the step with an empty name is the run as a whole."""

    step: str
    reached: int
    finished: int
    refused: int
    left: int
    mean_seconds: float
    median_seconds: int


class FlowCounts(BaseModel):
    """The counts of a version; runs under way are not in them yet.

    ``under_way``: how many there are in the flow, of any version.
    """

    version: int
    under_way: int
    steps: list[FlowCount]


class FlowPassage(BaseModel):
    """One step that a run came to; times in milliseconds after its beginning."""

    step: str
    stage: str
    decision: str
    condition: dict[str, Any] | None
    asked: int | None
    decided: int | None


class FlowRun(BaseModel):
    """A run as an administrator sees it; what is sealed is left out."""

    run: str
    flow: str
    version: int
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end: str
    message: str
    at: str
    path: list[FlowPassage]
    facts: dict[str, Any]


class Publish(Sent):
    """Why, for those who read it later."""

    note: str = say("", max_length=300)


class RollBack(Publish):
    """Which version becomes live again, and why."""

    version: int = say(ge=1, le=1_000_000, strict=True)


class Which(Sent):
    """Which state of the flow: `draft`, or the number of a version; empty: the draft if there is one, else
    what is live.
    """

    which: str = say("", pattern=r"^(draft|[1-9][0-9]{0,6})?$", examples=["draft"])


class Walk(Which):
    """Who walks, from where, with which answers.

    No password and no code in it is judged: say `passes` or `refuses`.
    """

    person: str | InventedPerson = say(
        "", description="Somebody of the tenant by name, which needs the right to see people, or invented."
    )
    request: Circumstances = Circumstances()
    answers: Answers = say(
        default_factory=dict, description="By step: what would be posted, or `passes` or `refuses`."
    )


class KeptWalk(Walk):
    """The same, to be walked before each publishing from now on: what came of each step now is what must come
    of it then.
    """

    name: Annotated[str, StringConstraints(strip_whitespace=True)] = say(
        min_length=1,
        max_length=150,
        description="What the test is called, among the flow's own.",
        examples=["A guest is refused"],
    )
