"""What is sent to the JSON API and what it answers: one class each, from which the OpenAPI document is made.

In an answer a member that is absent has nothing to say: it stands for its default.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictBool
from pydantic import Field as say
from pydantic.json_schema import SkipJsonSchema

from flows.documents.designations import DESIGNATIONS
from flows.engine.page import Kind

PURPOSES = tuple(each.name for each in DESIGNATIONS.values() if each.startable)


def _purpose(name: str) -> str:
    if name not in PURPOSES:
        raise ValueError(f"must be one of {', '.join(PURPOSES)}")
    return name


class Sent(BaseModel):
    """A request body; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Begin(Sent):
    """The purpose of a new run."""

    purpose: Annotated[str, AfterValidator(_purpose)] = say(
        alias="for", json_schema_extra={"enum": list(PURPOSES)}, examples=["device_code"]
    )
    user_code: str = say(
        "",
        description="The code shown on the device. It prefills the form; only the person submits it.",
    )


class Answer(Sent):
    """The answer to the step of a challenge.

    An answer to another step changes nothing: the current challenge is returned.
    """

    step: str = say("", description="The challenge's `step`.", examples=["identification"])
    answer: dict[str, Any] = say(
        default_factory=dict,
        description="Values by the names in the challenge's `fields`.",
        examples=[{"name": "alice"}],
    )


class Restart(Sent):
    """How to restart the run."""

    keep: StrictBool = say(
        description="true: keep what the run has established so far. false: start from scratch."
    )


class Problem(BaseModel):
    """An error of this API."""

    error: str = say(description="The error code, for programs.")
    error_description: str = say(description="A description of the error, for developers.")


class Refusal(Problem):
    """An error with its details."""

    errors: dict[str, list[str]] = say(
        {}, description="The errors by dotted key. An empty key means the whole object."
    )


class Field(BaseModel):
    """One field of a challenge."""

    name: str = say(description="Its name in `answer`.")
    label: str = say("", description="The label to show.")
    type: str = say(description="As in HTML: text, password, email, number, checkbox, select, …")
    required: bool
    autocomplete: str = say(
        "", description="What a browser or password manager may fill in (HTML autofill detail tokens)."
    )
    choices: list[tuple[str, str]] = say([], description="The possible values, each with its label.")
    value: Any = say(None, description="The initial value.")


class Challenge(BaseModel):
    """The state of the run: what it asks for, or how it ended."""

    run: str = say(description="The ID of the run.")
    kind: Kind = say(
        description="`ask`: answer the `fields`. `continue`: send an empty answer to continue. "
        "`last`: completed, with a final message. "
        "`finished`: completed, without a message. `leave`: completed, go to `url`. `denied`, `refused`, "
        "`expired`, `lost`: ended without success."
    )
    title: str = ""
    description: str = ""
    step: str = say("", description="Send it back with the answer.")
    stage: str = say("", description="The kind of step.")
    person: str = say("", description="The username as entered; it is not verified.")
    message: str = say("", description="The error in the last answer, or how the run ended.")
    url: str = say("", description="Where to go when `kind` is `leave`.")
    set_up_url: str = say(
        "",
        description="Where to set up the missing sign-in method in a browser, when `kind` is `denied`.",
    )
    retry_at: datetime | SkipJsonSchema[None] = say(
        None, description="Answers are accepted again from this time."
    )
    context: dict[str, Any] = say({}, description="What else the step shows; see the stage reference.")
    errors: dict[str, list[str]] = say(
        {}, description="The errors by field. `__all__` means the whole answer."
    )
    fields: list[Field] = []


class Opened(Challenge):
    """A new run and its first challenge."""

    url: str = say(description="The run's URL for all further requests. Where to go when `kind` is `leave`.")


class Begun(Opened):
    """A new run with its secret, which is shown only here."""

    secret: str = say(
        description="Identifies the client. Send it as `Authorization: Run …`. It isn't stored."
    )


class Throttled(Challenge):
    """Too many attempts: the same challenge, and when it accepts answers again."""

    error: Literal["too_many_attempts"]
    error_description: str


class Keys(Sent):
    """The objects to change."""

    keys: list[str] = say(min_length=1, max_length=200, description="The `key` of each row in the list.")


class Acted(BaseModel):
    """The result of an action."""

    changed: bool = say(description="false: there was nothing to change.")


class ActedOn(BaseModel):
    """The result of an action for one object."""

    key: str
    outcome: Literal["changed", "unchanged", "not_found", "not_allowed", "refused"]
    message: str


class Done(BaseModel):
    """The result for each object, in the order of the request."""

    results: list[ActedOn]


class Me(BaseModel):
    """The current user, with their role and permissions."""

    person: str
    role: str
    operations: list[str]


class Rotate(Sent):
    """How to treat the old keys."""

    keep_old: StrictBool = say(
        True, description="false: revoke the old keys immediately. Everyone must sign in again."
    )


class Rotated(BaseModel):
    """The new signing key."""

    kid: str


class NewSecret(BaseModel):
    """A new client secret, shown only here."""

    client_secret: str


class Domains(BaseModel):
    """The domains of a tenant."""

    approved: list[str] = say(description="Approved domains, which lead to this tenant.")
    waiting: list[str] = say(description="Requested domains that aren't approved yet.")


class WayIn(BaseModel):
    """A one-time recovery link, shown only here."""

    recovery_url: str


class NewTenant(Sent):
    """A new tenant and its first administrator."""

    name: str = say(min_length=1, max_length=50)
    title: str = say(min_length=1, max_length=100)
    domain: str = say(min_length=1, max_length=253)
    administrator: str = say(min_length=1, max_length=150)
    email: str = say("", max_length=254)


class ShippedMail(BaseModel):
    """A default email template."""

    mail: str = say(description="The key in `/api/mails/`, to customize it.")
    subject: str
    text: str
    html: str = say(description="Empty: the email is sent as plain text only.")
    words: list[str] = say(description="The variables that may be used between `{{` and `}}`.")


class ShippedMails(BaseModel):
    """All default email templates."""

    mails: list[ShippedMail]


class PlanWish(Sent):
    """A blueprint and its name, which identifies the objects it manages."""

    text: str = say(
        min_length=1,
        description="YAML. `!env` and `!file` aren't allowed, because they read from the server.",
    )
    name: str = say("", max_length=200, pattern=r"^[ -~]*$")
    prune: StrictBool = say(False, description="Also delete managed objects that are missing from this file.")


class ApplyWish(PlanWish):
    """A blueprint to apply, optionally only if nothing changed since the preview."""

    expect: str = say("", max_length=64, description="The `state` of the preview. Empty: apply in any case.")


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


class Missing(BaseModel):
    """A value that is referenced with `!secret` and missing."""

    tenant: str
    name: str


class BlueprintPlan(BaseModel):
    """What applying a blueprint would change, or has changed."""

    blueprint: str
    state: str = say(description="Identifies the state that the preview is based on.")
    counts: dict[str, int]
    changes: list[PlannedChange]
    missing: list[Missing] = say(description="Secrets to enter before the blueprint can be applied.")
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


class Drifted(BaseModel):
    """An object that has drifted from its blueprint, and who changed it."""

    blueprint: str
    kind: str
    name: str
    keys: list[PlannedKey]
    by: str
    at: str


class Drifts(BaseModel):
    """All objects that have drifted."""

    drifted: list[Drifted]


class Exported(BaseModel):
    """The tenant or one flow as YAML. Secrets are referenced, not included."""

    text: str
