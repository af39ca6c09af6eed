"""The flow document: the same in YAML, in the API, in the database and under the builder; one validator for all of them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.models import Designation

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,48}[a-z0-9])?$")]
StepName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_.-]{0,78}[a-z0-9])?$")]


class StepDocument(BaseModel):
    """One box of the drawing. ``when`` true, or absent: the step applies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: StepName
    stage: str
    when: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_stage(cls, value: Any) -> Any:
        if isinstance(value, dict) and "id" not in value and isinstance(value.get("stage"), str):
            return {"id": value["stage"], **value}
        return value


class FlowDocument(BaseModel):
    """A whole flow."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    flow: Name
    title: str = Field(min_length=1, max_length=100)
    designation: Designation = Field(alias="for")
    default: bool = True
    steps: tuple[StepDocument, ...] = Field(min_length=1, max_length=100)

    def step(self, identifier: str) -> StepDocument | None:
        """The step with this id."""
        return next((step for step in self.steps if step.id == identifier), None)

    def as_json(self) -> dict[str, Any]:
        """What is stored and exported: only what differs from the defaults, in the order of the declaration."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {**dumped, "steps": [_short(step) for step in dumped["steps"]]}


def _short(step: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if not (key == "id" and value == step["stage"])}
