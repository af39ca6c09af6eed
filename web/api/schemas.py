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
    """A body: members of these names and types, and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Begin(Sent):
    """What the run is for."""

    purpose: Annotated[str, AfterValidator(_purpose)] = say(
        alias="for", json_schema_extra={"enum": list(PURPOSES)}, examples=["device_code"]
    )
    user_code: str = say(
        "",
        description="The code that a waiting device shows. It is filled in, "
        "and submitted by nobody but the person.",
    )


class Answer(Sent):
    """An answer to the step that a challenge named.

    One to another step changes nothing: the current challenge comes back.
    """

    step: str = say("", description="The challenge's `step`.", examples=["identification"])
    answer: dict[str, Any] = say(
        default_factory=dict,
        description="Values by the names of the challenge's `fields`.",
        examples=[{"name": "alice"}],
    )


class Restart(Sent):
    """How to begin anew."""

    keep: StrictBool = say(
        description="true: with what the run has learned so far; false: as if nobody had come yet."
    )


class Problem(BaseModel):
    """Every error of this API."""

    error: str = say(description="Which error, for the program.")
    error_description: str = say(description="What is wrong, for whoever writes the program.")


class Refusal(Problem):
    """What cannot be, with everything that is wrong."""

    errors: dict[str, list[str]] = say(
        {}, description="What is wrong, by dotted key; an empty key is about the whole."
    )


class Field(BaseModel):
    """One value that the challenge asks for."""

    name: str = say(description="Its name in `answer`.")
    label: str = say("", description="What to write beside it.")
    type: str = say(description="As in HTML: text, password, email, number, checkbox, select, …")
    required: bool
    autocomplete: str = say(
        "", description="What the browser, or a password store, may fill in (HTML's autofill detail tokens)."
    )
    choices: list[tuple[str, str]] = say([], description="The values to choose from, each with its label.")
    value: Any = say(None, description="What stands there at first.")


class Challenge(BaseModel):
    """Where the run stands: what it asks, or how it ended."""

    run: str = say(description="The run's name.")
    kind: Kind = say(
        description="`ask`: `fields` are to be answered. `continue`: an empty answer goes on. "
        "`last`: done, this is the last word. "
        "`finished`: done, with nothing to say. `leave`: done, go to `url`. `denied`, `refused`, "
        "`expired`, `lost`: it ended without."
    )
    title: str = ""
    description: str = ""
    step: str = say("", description="To be sent back with the answer.")
    stage: str = say("", description="The kind of the step.")
    person: str = say("", description="The name that was typed; proves nothing.")
    message: str = say("", description="What was wrong with the last answer, or how the run ended.")
    url: str = say("", description="Where to go when `kind` is `leave`.")
    set_up_url: str = say(
        "", description="Where the person, in a browser, sets up what they lack, when `kind` is `denied`."
    )
    retry_at: datetime | SkipJsonSchema[None] = say(None, description="No answer is taken before.")
    context: dict[str, Any] = say(
        {}, description="What else this kind of step shows; see the reference of the stages."
    )
    errors: dict[str, list[str]] = say(
        {}, description="What was wrong, by field; `__all__` is about the whole answer."
    )
    fields: list[Field] = []


class Opened(Challenge):
    """A run that has just begun, and its first challenge."""

    url: str = say(
        description="The run's address, for every further request; where to go when `kind` is `leave`."
    )


class Begun(Opened):
    """The same, with the secret that opens it. It is said only here."""

    secret: str = say(
        description="Stands for the browser. Sent back as `Authorization: Run …`, kept nowhere."
    )


class Throttled(Challenge):
    """Too many attempts: the same challenge, not judged, and from when on the next one is."""

    error: Literal["too_many_attempts"]
    error_description: str


class Keys(Sent):
    """The objects that are meant."""

    keys: list[str] = say(min_length=1, max_length=200, description="As in the rows of the list.")


class Acted(BaseModel):
    """What an action did."""

    changed: bool = say(description="false: it was so already.")


class ActedOn(BaseModel):
    """What an action did to one of many."""

    key: str
    outcome: Literal["changed", "unchanged", "not_found", "not_allowed", "refused"]
    message: str


class Done(BaseModel):
    """What an action did to each, in the order in which they were named."""

    results: list[ActedOn]


class Me(BaseModel):
    """Who asks, and what they may do here at this moment."""

    person: str
    role: str
    operations: list[str]


class Rotate(Sent):
    """What becomes of the old keys."""

    keep_old: StrictBool = say(
        True, description="false: whatever they signed is refused at once, and everybody signs in anew."
    )


class Rotated(BaseModel):
    """The key that signs from now on."""

    kid: str


class NewSecret(BaseModel):
    """A secret that was just made. It is said only here."""

    client_secret: str


class Domains(BaseModel):
    """The host names of a tenant."""

    approved: list[str] = say(description="They lead here.")
    waiting: list[str] = say(description="Asked for, and not yet approved: they lead nowhere.")


class WayIn(BaseModel):
    """An address that lets somebody in once. It is said only here."""

    recovery_url: str


class NewTenant(Sent):
    """A tenant as it shall become, and who looks after it first."""

    name: str = say(min_length=1, max_length=50)
    title: str = say(min_length=1, max_length=100)
    domain: str = say(min_length=1, max_length=253)
    administrator: str = say(min_length=1, max_length=150)
    email: str = say("", max_length=254)


class ShippedMail(BaseModel):
    """A mail as the product words it."""

    mail: str = say(description="In the address of `/api/mails/`, to word it otherwise.")
    subject: str
    text: str
    html: str = say(description="Empty: text alone is sent.")
    words: list[str] = say(description="What may stand between `{{` and `}}`.")


class ShippedMails(BaseModel):
    """Every mail that is sent."""

    mails: list[ShippedMail]


class PlanWish(Sent):
    """A blueprint, and what it is called: what belongs to it is known by this name."""

    text: str = say(
        min_length=1, description="YAML. `!env` and `!file` are refused: nothing of the server comes into it."
    )
    name: str = say("", max_length=200, pattern=r"^[ -~]*$")
    prune: StrictBool = say(False, description="Also delete what this blueprint owned and no longer names.")


class ApplyWish(PlanWish):
    """The same, applied if it is still what the plan said."""

    expect: str = say("", max_length=64, description="The plan's `state`; empty: whatever is there now.")


class PlannedKey(BaseModel):
    """One key of an object; of a secret only that it changes."""

    key: str
    old: Any
    new: Any


class PlannedChange(BaseModel):
    """What becomes of one object."""

    tenant: str
    kind: str
    name: str
    action: Literal["create", "update", "delete"]
    keys: list[PlannedKey]


class Missing(BaseModel):
    """A value that is named with `!secret` and not there."""

    tenant: str
    name: str


class BlueprintPlan(BaseModel):
    """What applying would do, or has done."""

    blueprint: str
    state: str = say(description="Names what the plan rests on.")
    counts: dict[str, int]
    changes: list[PlannedChange]
    missing: list[Missing] = say(description="Nothing is applied until these are entered.")
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
    """The last attempts, newest first."""

    results: list[BlueprintResult]


class Drifted(BaseModel):
    """An object that is not as a blueprint applied it, with who changed it."""

    blueprint: str
    kind: str
    name: str
    keys: list[PlannedKey]
    by: str
    at: str


class Drifts(BaseModel):
    """Everything that was changed by hand."""

    drifted: list[Drifted]


class Exported(BaseModel):
    """The tenant, or one flow, as YAML. Secrets are named, not told."""

    text: str
