"""The schemas of the JSON API, from which the OpenAPI document is generated.

A member that is missing in a response has its default value.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool
from pydantic.json_schema import SkipJsonSchema

from flows.documents.designations import DESIGNATIONS
from flows.engine.page import PageKind

PURPOSES = tuple(each.name for each in DESIGNATIONS.values() if each.startable)


def _purpose(name: str) -> str:
    if name not in PURPOSES:
        raise ValueError(f"must be one of {', '.join(PURPOSES)}")
    return name


class RequestBody(BaseModel):
    """A request body; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StartRun(RequestBody):
    """The purpose of a new run."""

    purpose: Annotated[str, AfterValidator(_purpose)] = Field(
        alias="for", json_schema_extra={"enum": list(PURPOSES)}, examples=["device_code"]
    )
    user_code: str = Field(
        "",
        description="The code shown on the device. It prefills the form; only the person submits it.",
    )


class StepAnswer(RequestBody):
    """The answer to the step of a challenge.

    An answer to another step changes nothing: the current challenge is returned.
    """

    step: str = Field("", description="The challenge's `step`.", examples=["identification"])
    answer: dict[str, Any] = Field(
        default_factory=dict,
        description="Values by the names in the challenge's `fields`.",
        examples=[{"name": "alice"}],
    )


class RestartRun(RequestBody):
    """How to restart the run."""

    keep: StrictBool = Field(
        description="true: keep what the run has established so far. false: start from scratch."
    )


class ApiError(BaseModel):
    """An error of this API."""

    error: str = Field(description="The error code, for programs.")
    error_description: str = Field(description="A description of the error, for developers.")


class DetailedApiError(ApiError):
    """An error with its details."""

    errors: dict[str, list[str]] = Field(
        {}, description="The errors by dotted key. An empty key means the whole object."
    )


class RunField(BaseModel):
    """One field of a challenge."""

    name: str = Field(description="Its name in `answer`.")
    label: str = Field("", description="The label to show.")
    type: str = Field(description="As in HTML: text, password, email, number, checkbox, select, …")
    required: bool
    autocomplete: str = Field(
        "", description="What a browser or password manager may fill in (HTML autofill detail tokens)."
    )
    choices: list[tuple[str, str]] = Field([], description="The possible values, each with its label.")
    value: Any = Field(None, description="The initial value.")


class Challenge(BaseModel):
    """The state of the run: what it asks for, or how it ended."""

    run: str = Field(description="The ID of the run.")
    kind: PageKind = Field(
        description="`ask`: answer the `fields`. `continue`: send an empty answer to continue. "
        "`last`: completed, with a final message. "
        "`finished`: completed, without a message. `leave`: completed, go to `url`. `denied`, `refused`, "
        "`expired`, `lost`: ended without success."
    )
    title: str = ""
    description: str = ""
    step: str = Field("", description="Send it back with the answer.")
    stage: str = Field("", description="The kind of step.")
    person: str = Field("", description="The username as entered; it is not verified.")
    message: str = Field("", description="The error in the last answer, or how the run ended.")
    url: str = Field("", description="Where to go when `kind` is `leave`.")
    set_up_url: str = Field(
        "",
        description="Where to set up the missing sign-in method in a browser, when `kind` is `denied`.",
    )
    retry_at: datetime | SkipJsonSchema[None] = Field(
        None, description="Answers are accepted again from this time."
    )
    context: dict[str, Any] = Field({}, description="What else the step shows; see the stage reference.")
    errors: dict[str, list[str]] = Field(
        {}, description="The errors by field. `__all__` means the whole answer."
    )
    fields: list[RunField] = []


class NewRun(Challenge):
    """A new run and its first challenge."""

    url: str = Field(
        description="The run's URL for all further requests. Where to go when `kind` is `leave`."
    )


class StartedRun(NewRun):
    """A new run with its secret, which is shown only here."""

    secret: str = Field(
        description="Identifies the client. Send it as `Authorization: Run …`. It isn't stored."
    )


class Throttled(Challenge):
    """Too many attempts: the same challenge, and when it accepts answers again."""

    error: Literal["too_many_attempts"]
    error_description: str


class ObjectKeys(RequestBody):
    """The objects to change."""

    keys: list[str] = Field(min_length=1, max_length=200, description="The `key` of each row in the list.")


class ActionResult(BaseModel):
    """The result of an action."""

    changed: bool = Field(description="false: there was nothing to change.")


class ObjectActionResult(BaseModel):
    """The result of an action for one object."""

    key: str
    outcome: Literal["changed", "unchanged", "not_found", "not_allowed", "refused"]
    message: str


class BulkActionResult(BaseModel):
    """The result for each object, in the order of the request."""

    results: list[ObjectActionResult]


class CurrentUser(BaseModel):
    """The current user, with their role and permissions."""

    person: str
    role: str
    operations: list[str]


class KeyRotation(RequestBody):
    """How to treat the old keys."""

    keep_old: StrictBool = Field(
        True, description="false: revoke the old keys immediately. Everyone must sign in again."
    )


class RotatedKey(BaseModel):
    """The new signing key."""

    kid: str


class NewClientSecret(BaseModel):
    """A new client secret, shown only here."""

    client_secret: str


class DomainList(BaseModel):
    """The domains of a tenant."""

    approved: list[str] = Field(description="Approved domains, which lead to this tenant.")
    waiting: list[str] = Field(description="Requested domains that aren't approved yet.")


class CreatedRecoveryLink(BaseModel):
    """A one-time recovery link, shown only here."""

    recovery_url: str


class NewTenant(RequestBody):
    """A new tenant and its first administrator."""

    name: str = Field(min_length=1, max_length=50)
    title: str = Field(min_length=1, max_length=100)
    domain: str = Field(min_length=1, max_length=253)
    administrator: str = Field(min_length=1, max_length=150)
    email: str = Field("", max_length=254)


class DefaultMail(BaseModel):
    """A default email template."""

    mail: str = Field(description="The key in `/api/mails/`, to customize it.")
    subject: str
    text: str
    html: str = Field(description="Empty: the email is sent as plain text only.")
    words: list[str] = Field(description="The variables that may be used between `{{` and `}}`.")


class DefaultMailList(BaseModel):
    """All default email templates."""

    mails: list[DefaultMail]


class PlanBlueprintRequest(RequestBody):
    """A blueprint and its name, which identifies the objects it manages."""

    text: str = Field(
        min_length=1,
        description="YAML. `!env` and `!file` aren't allowed, because they read from the server.",
    )
    name: str = Field("", max_length=200, pattern=r"^[ -~]*$")
    prune: StrictBool = Field(
        False, description="Also delete managed objects that are missing from this file."
    )


class ApplyBlueprintRequest(PlanBlueprintRequest):
    """A blueprint to apply, optionally only if nothing changed since the preview."""

    expect: str = Field(
        "", max_length=64, description="The `state` of the preview. Empty: apply in any case."
    )


class PlannedKey(BaseModel):
    """The change of one key. Secrets are not shown."""

    key: str
    old: Any
    new: Any


class PlannedChange(BaseModel):
    """The change of one object."""

    tenant: str
    kind: str
    name: str
    action: Literal["create", "update", "delete"]
    keys: list[PlannedKey]


class MissingValue(BaseModel):
    """A value that is referenced with `!secret` and missing."""

    tenant: str
    name: str


class BlueprintPlan(BaseModel):
    """What applying a blueprint would change, or has changed."""

    blueprint: str
    state: str = Field(description="Identifies the state that the preview is based on.")
    counts: dict[str, int]
    changes: list[PlannedChange]
    missing: list[MissingValue] = Field(description="Secrets to enter before the blueprint can be applied.")
    notes: list[str]


class BlueprintResult(BaseModel):
    """One attempt to apply a blueprint."""

    at: datetime
    blueprint: str
    by: str
    succeeded: bool
    counts: dict[str, int]
    messages: list[str]


class BlueprintResults(BaseModel):
    """The most recent attempts, newest first."""

    results: list[BlueprintResult]


class DriftedObject(BaseModel):
    """An object that has drifted from its blueprint, and who changed it."""

    blueprint: str
    kind: str
    name: str
    keys: list[PlannedKey]
    by: str
    at: str


class DriftList(BaseModel):
    """All objects that have drifted."""

    drifted: list[DriftedObject]


class BlueprintExport(BaseModel):
    """The tenant or one flow as YAML. Secrets are referenced, not included."""

    text: str
