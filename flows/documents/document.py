"""The flow document: one model and one validator for YAML, the API, the database and the builder."""

import difflib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from flows.documents.designations import DESIGNATIONS
from flows.validation_messages import with_message
from idp.accounts.roles import RoleName
from idp.foundation import addresses
from idp.foundation.text import map_text, nfc

_NAME_MESSAGE = (
    "Use lowercase letters, digits, dashes and underscores, starting and ending with a letter or digit, up "
    "to 50 characters."
)
_STEP_NAME_MESSAGE = (
    "Use lowercase letters, digits, dashes, underscores and dots, starting and ending with a letter or "
    "digit, up to 80 characters."
)
FlowName = Annotated[
    str, Field(pattern=with_message(r"^[a-z0-9]([a-z0-9_-]{0,48}[a-z0-9])?$", _NAME_MESSAGE))
]
StepName = Annotated[
    str, Field(pattern=with_message(r"^[a-z0-9]([a-z0-9_.-]{0,78}[a-z0-9])?$", _STEP_NAME_MESSAGE))
]
MAX_DEPTH = 5
VERBATIM_FIELDS = ("answers", "agent")
_KINDS = ("stage", "group", "flow")
_CENTURY = 100 * 365 * 24 * 3600  # seconds


def _check_designation(designation: str) -> str:
    if designation not in DESIGNATIONS:
        near = difflib.get_close_matches(designation, DESIGNATIONS, n=1)
        raise ValueError(
            f"must be one of {', '.join(DESIGNATIONS)}" + (f"; did you mean {near[0]}?" if near else "")
        )
    return designation


def _reject_numbers(value: Any) -> Any:
    """Return a datetime or ISO 8601 text; reject numbers, which would be read as seconds since 1970.

    A text of digits would be read as a number too.
    """
    if isinstance(value, datetime) or (isinstance(value, str) and "-" in value[1:]):
        return value
    raise ValueError("enter a date and time like 2026-01-31T18:00:00+01:00")


_Timestamp = Annotated[AwareDatetime, BeforeValidator(_reject_numbers)]
DesignationName = Annotated[
    str, AfterValidator(_check_designation), WithJsonSchema({"type": "string", "enum": list(DESIGNATIONS)})
]


class _DocumentModel(BaseModel):
    """Base of the document's models: texts are composed (Unicode NFC) when they are read.

    Values that a test would type stay as they are. Other restrictions on texts are up to lint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _normalize(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name in VERBATIM_FIELDS else map_text(value, nfc)


class StepDocument(_DocumentModel):
    """One step of a flow: a ``stage``, a ``group`` of steps (a section), or a sub-flow named by ``flow``.

    ``when`` true, or absent: it applies. ``on_refusal``: what happens when the step fails; with ``continue``
    the flow goes on after it.
    """

    id: StepName = Field(
        description="The step's ID, unique in the flow. Default: the name of its stage, group or flow."
    )
    stage: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="What the step does: the kind of stage."
    )
    group: FlowName | None = Field(
        None, description="Instead of a stage: a section, several steps under one condition."
    )
    flow: FlowName | None = Field(None, description="Instead of a stage: the sub-flow to run.")
    when: str | None = Field(None, description="When the step applies, as a CEL expression. Default: always.")
    on_refusal: Literal["end", "continue"] = Field(
        "end", description="What happens when the step fails: the run ends, or the flow continues."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="The settings of the stage.")
    steps: tuple["StepDocument", ...] = Field((), description="The steps of the section.")

    @model_validator(mode="before")
    @classmethod
    def _set_default_id(cls, value: Any) -> Any:
        if isinstance(value, dict) and "id" not in value:
            names = [value[kind] for kind in _KINDS if isinstance(value.get(kind), str)]
            return {"id": names[0], **value} if names else value
        return value

    @model_validator(mode="after")
    def _check_kind(self) -> "StepDocument":
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError("a step needs exactly one of stage, group or flow")
        if self.steps and self.group is None:
            raise ValueError("only a group can have steps")
        if self.settings and self.stage is None:
            raise ValueError("only a stage can have settings")
        return self

    @property
    def kind(self) -> str:
        """The kind of the step: ``stage``, ``group`` or ``flow``."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)


class SimulatedUser(_DocumentModel):
    """A test user who does not exist. ``credentials``: the kinds of sign-in methods they have set up."""

    username: str = Field("somebody", min_length=1, max_length=150, description="The username.")
    name: str = Field("", description="The display name.")
    email: str = Field("", description="The email address.")
    groups: tuple[str, ...] = Field((), description="The groups they belong to.")
    credentials: tuple[str, ...] = Field(("password",), description="The sign-in methods they have set up.")
    attributes: dict[str, str] = Field(
        default_factory=dict, description="Available in conditions as person.attributes."
    )
    role: RoleName = Field("", description="The console role.")


class Circumstances(_DocumentModel):
    """Where, when and for what a flow is tested.

    ``signed_in``: the authentication methods of an existing session.

    ``time`` is in ISO 8601 with a time zone; ages are in seconds.
    """

    address: str = Field("127.0.0.1", description="The IP address of the request.")
    agent: str = Field("", description="The user agent of the browser.")
    time: _Timestamp | None = Field(None, description="The time, in ISO 8601 with a time zone. Default: now.")
    country: str = Field("", description="The country of the IP address, such as DE.")
    application: str = Field("", description="The requesting application.")
    scopes: tuple[str, ...] = Field((), description="The requested scopes.")
    device_address: str = Field("", description="The IP address of the device.")
    device_age: int = Field(
        0, ge=0, strict=True, description="How many seconds ago the device made its request."
    )
    signed_in: tuple[str, ...] = Field(
        (), description="The authentication methods of an existing session, such as pwd."
    )
    session_age: int = Field(0, ge=0, strict=True, description="How many seconds old the session is.")

    @field_validator("address", "device_address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        return str(addresses.parse_stored(value) or value) if value else value

    @field_validator("time", "device_age", "session_age")
    @classmethod
    def _check_range(cls, value: datetime | int | None) -> datetime | int | None:
        """Limit times and ages, so that a time less an age is valid in every time zone."""
        if isinstance(value, int) and value > _CENTURY:
            raise ValueError("must be at most 100 years")
        if isinstance(value, datetime) and not 1970 <= value.year < 3000:
            raise ValueError("the year must be between 1970 and 2999")
        return value


Answers = dict[str, dict[str, Any] | Literal["passes", "refuses"]]


class FlowTest(_DocumentModel):
    """A saved test: who runs the flow, from where, with which answers, and the expected result.

    ``person``: the username of an existing user, or a test user. An answer is what would be submitted, or
    ``passes`` or ``refuses`` to assume the step's result. ``expect``: the expected decisions of steps;
    ``ends``: how the run must end.
    """

    name: str = Field(min_length=1, max_length=150, description="What the test checks; shown when it fails.")
    person: str | SimulatedUser = Field(
        SimulatedUser(), description="Who runs the flow: an existing user or a test user."
    )
    request: Circumstances = Field(Circumstances(), description="Where, when and for what.")
    answers: Answers = Field(
        default_factory=dict, description="The answers, by step; passes or refuses assumes the result."
    )
    expect: dict[str, Literal["asks", "done", "passed over", "known before", "refused", "entered"]] = Field(
        default_factory=dict, description="The expected decisions, by step."
    )
    ends: Literal["finished", "asks", "denied", "leaves", "broken"] = Field(
        "finished", description="How the run must end."
    )


class FlowDocument(_DocumentModel):
    """A whole flow."""

    flow: FlowName = Field(description="The flow's ID.")
    title: str = Field(min_length=1, max_length=100, description="The display name.")
    designation: DesignationName = Field(alias="for", description="The purpose; it can't be changed later.")
    default: bool = Field(
        True,
        description="Whether it is the default flow for its purpose. Applications can use another one.",
    )
    steps: tuple[StepDocument, ...] = Field(
        max_length=100, json_schema_extra={"minItems": 1}, description="The steps, in order."
    )  # a draft may be empty; lint reports that
    tests: tuple[FlowTest, ...] = Field(
        (), max_length=100, description="Tests that must pass before the flow is published."
    )

    @model_validator(mode="after")
    def _check_depth(self) -> "FlowDocument":
        if _depth(self.steps) > MAX_DEPTH:
            raise ValueError(f"groups can be nested at most {MAX_DEPTH} levels deep")
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the stored and exported form: only what differs from the defaults, in declaration order."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {**dumped, "steps": [_without_default_ids(step) for step in dumped["steps"]]}


def _depth(steps: tuple[StepDocument, ...]) -> int:
    return max((1 + _depth(step.steps) for step in steps), default=0)


def _without_default_ids(step: dict[str, Any]) -> dict[str, Any]:
    named = next(step[kind] for kind in _KINDS if kind in step)
    short = {key: value for key, value in step.items() if not (key == "id" and value == named)}
    return (
        {**short, "steps": [_without_default_ids(inner) for inner in step["steps"]]}
        if step.get("steps")
        else short
    )
