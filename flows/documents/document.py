"""The flow document: the same in YAML, in the API, in the database and under the builder; one validator for
all of them.
"""

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
from flows.validation_messages import in_words
from idp.accounts.roles import RoleName
from idp.foundation import addresses
from idp.foundation.text import every, nfc

_IN_NAMES = (
    "A name has small letters, digits, dashes and underscores, begins and ends with a letter or a digit, "
    "50 at most."
)
_IN_STEPS = (
    "An id has small letters, digits, dashes, underscores and dots, begins and ends with a letter or a "
    "digit, 80 at most."
)
Name = Annotated[str, Field(pattern=in_words(r"^[a-z0-9]([a-z0-9_-]{0,48}[a-z0-9])?$", _IN_NAMES))]
StepName = Annotated[str, Field(pattern=in_words(r"^[a-z0-9]([a-z0-9_.-]{0,78}[a-z0-9])?$", _IN_STEPS))]
MAX_DEPTH = 5
TYPED = ("answers", "agent")
_KINDS = ("stage", "group", "flow")
_CENTURY = 100 * 365 * 24 * 3600  # seconds


def _known(designation: str) -> str:
    if designation not in DESIGNATIONS:
        near = difflib.get_close_matches(designation, DESIGNATIONS, n=1)
        raise ValueError(
            f"must be one of {', '.join(DESIGNATIONS)}" + (f"; did you mean {near[0]}?" if near else "")
        )
    return designation


def _written_out(value: Any) -> Any:
    """A number would be taken for seconds since 1970, and so would a text of digits."""
    if isinstance(value, datetime) or (isinstance(value, str) and "-" in value[1:]):
        return value
    raise ValueError("a moment is written like 2026-01-31T18:00:00+01:00")


_Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
DesignationName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(DESIGNATIONS)})
]


class _Part(BaseModel):
    """What stands in a flow is composed (Unicode NFC) whenever it is read; what else a text must not hold,
    lint says.

    What would be typed in a test stays as it would be typed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _composed(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name in TYPED else every(value, nfc)


class StepDocument(_Part):
    """One box of the drawing: a ``stage``, a ``group`` of steps, or the name of a ``flow`` that is walked
    here.

    ``when`` true, or absent: it applies. ``on_refusal``: what a refusal in it does; ``continue`` leaves the
    box and goes on.
    """

    id: StepName = Field(
        description="The name of the step, unique in the flow; without it that of its stage, group or flow."
    )
    stage: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="What the step does: one of the stages."
    )
    group: Name | None = Field(
        None, description="In place of a stage: the name of several steps with one condition."
    )
    flow: Name | None = Field(None, description="In place of a stage: the part that is walked here.")
    when: str | None = Field(None, description="For whom it applies, in CEL; without it for everybody.")
    on_refusal: Literal["end", "continue"] = Field(
        "end", description="What a refusal in it does: it ends the run, or the flow goes on."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="The settings of its stage.")
    steps: tuple["StepDocument", ...] = Field((), description="The steps of a group.")

    @model_validator(mode="before")
    @classmethod
    def _named_after_what_it_is(cls, value: Any) -> Any:
        if isinstance(value, dict) and "id" not in value:
            named = [value[kind] for kind in _KINDS if isinstance(value.get(kind), str)]
            return {"id": named[0], **value} if named else value
        return value

    @model_validator(mode="after")
    def _is_one_thing(self) -> "StepDocument":
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError("a step is one of stage, group and flow")
        if self.steps and self.group is None:
            raise ValueError("a group has steps, and nothing else has")
        if self.settings and self.stage is None:
            raise ValueError("only a stage has settings")
        return self

    @property
    def kind(self) -> str:
        """``stage``, ``group`` or ``flow``."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)


class InventedPerson(_Part):
    """Somebody who does not exist: what a flow is tried with. ``credentials``: the kinds that they hold."""

    username: str = Field("somebody", min_length=1, max_length=150, description="The username.")
    name: str = Field("", description="The name.")
    email: str = Field("", description="The email address.")
    groups: tuple[str, ...] = Field((), description="The groups.")
    credentials: tuple[str, ...] = Field(("password",), description="What they could prove themselves with.")
    attributes: dict[str, str] = Field(
        default_factory=dict, description="What conditions read as person.attributes."
    )
    role: RoleName = Field("", description="The role in the console.")


class Circumstances(_Part):
    """From where and when a flow is tried, and what is asked for.

    ``signed_in``: the methods of a session that lives already.

    ``time`` in ISO 8601 with its zone; ages in seconds.
    """

    address: str = Field("127.0.0.1", description="The address that the request comes from.")
    agent: str = Field("", description="What the browser calls itself.")
    time: _Moment | None = Field(None, description="When, in ISO 8601 with its zone; without it now.")
    country: str = Field("", description="The country of the address, such as DE.")
    application: str = Field("", description="The application that asks.")
    scopes: tuple[str, ...] = Field((), description="The scopes that it asks for.")
    device_address: str = Field("", description="The address that the device asked from.")
    device_age: int = Field(0, ge=0, strict=True, description="How many seconds ago it asked.")
    signed_in: tuple[str, ...] = Field(
        (), description="The methods of a session that lives already, such as pwd."
    )
    session_age: int = Field(0, ge=0, strict=True, description="How many seconds old it is.")

    @field_validator("address", "device_address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return str(addresses.known(value) or value) if value else value

    @field_validator("time", "device_age", "session_age")
    @classmethod
    def _can_be_counted(cls, value: datetime | int | None) -> datetime | int | None:
        """A moment less an age is still a moment, in every zone."""
        if isinstance(value, int) and value > _CENTURY:
            raise ValueError("at most a hundred years")
        if isinstance(value, datetime) and not 1970 <= value.year < 3000:
            raise ValueError("a year from 1970 to 2999")
        return value


Answers = dict[str, dict[str, Any] | Literal["passes", "refuses"]]


class FlowTest(_Part):
    """A walk that the flow must survive: who, from where, with which answers, and what must come out.

    ``person``: the name of somebody of the tenant, or somebody invented. An answer is what would be posted,
    or ``passes`` or ``refuses`` to take a step's result for granted. ``expect``: the decision of steps;
    ``ends``: how the walk ends.
    """

    name: str = Field(min_length=1, max_length=150, description="What it tries, as it is told when it fails.")
    person: str | InventedPerson = Field(
        InventedPerson(), description="Who walks: somebody of the tenant, or somebody invented."
    )
    request: Circumstances = Field(Circumstances(), description="From where and when, and what is asked for.")
    answers: Answers = Field(
        default_factory=dict, description="What is answered, by step; passes or refuses takes it for granted."
    )
    expect: dict[str, Literal["asks", "done", "passed over", "known before", "refused", "entered"]] = Field(
        default_factory=dict, description="What becomes of steps."
    )
    ends: Literal["finished", "asks", "denied", "leaves", "broken"] = Field(
        "finished", description="How the walk ends."
    )


class FlowDocument(_Part):
    """A whole flow."""

    flow: Name = Field(description="Name.")
    title: str = Field(min_length=1, max_length=100, description="What it is called in the console.")
    designation: DesignationName = Field(alias="for", description="What it is for; it never changes.")
    default: bool = Field(
        True,
        description="Whether it is the tenant's own for this, in place of one that an application names.",
    )
    steps: tuple[StepDocument, ...] = Field(
        max_length=100, json_schema_extra={"minItems": 1}, description="What is asked, in this order."
    )  # a draft may be empty: lint says so
    tests: tuple[FlowTest, ...] = Field(
        (), max_length=100, description="Walks that the flow must survive before it goes live."
    )

    @model_validator(mode="after")
    def _not_too_deep(self) -> "FlowDocument":
        if _depth(self.steps) > MAX_DEPTH:
            raise ValueError(f"groups lie at most {MAX_DEPTH} deep in each other")
        return self

    def as_json(self) -> dict[str, Any]:
        """What is stored and exported: only what differs from the defaults, in the order of the
        declaration.
        """
        dumped = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {**dumped, "steps": [_short(step) for step in dumped["steps"]]}


def _depth(steps: tuple[StepDocument, ...]) -> int:
    return max((1 + _depth(step.steps) for step in steps), default=0)


def _short(step: dict[str, Any]) -> dict[str, Any]:
    named = next(step[kind] for kind in _KINDS if kind in step)
    short = {key: value for key, value in step.items() if not (key == "id" and value == named)}
    return {**short, "steps": [_short(inner) for inner in step["steps"]]} if step.get("steps") else short
