"""One kind of document for each object that an administrator sees; named, never by primary key."""

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from blueprints.files.tags import Secret
from flows.documents.document import DesignationName, FlowDocument, Name
from flows.settings import Duration, plain, setting, write_duration
from flows.validation_messages import in_words
from idp.accounts.roles import RoleName
from idp.foundation import addresses, mailboxes
from idp.foundation.text import every, fold, line, lines
from idp.oauth.discovery import DEVICE_CODE

GRANTS = {"device_code": DEVICE_CODE}
SHORT_GRANTS = {long: short for short, long in GRANTS.items()}


def _said(**described: Any) -> Any:
    """A key that every document has."""
    return setting(..., **described)


def _seconds(low: timedelta, high: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise ValueError(f"must lie between {write_duration(low)} and {write_duration(high)}")
        return value

    return AfterValidator(check)


def _text_or_secret(value: Any) -> Secret | str:
    if isinstance(value, Secret | str):
        return value
    raise ValueError("write a text, or better !secret NAME")


def _reachable(name: str) -> str:
    """The same name; raises ValueError for one whose page and address in the API nobody would reach: browsers
    resolve dots in them.
    """
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(
            "no address can carry this name: between slashes, and without any, it is neither empty nor . "
            "nor .."
        )
    return name


def _scope_token(name: str) -> str:
    """The same name; raises ValueError for one that the protocol has no place for (RFC 6749 section 3.3)."""
    if not _SCOPE.fullmatch(name):
        raise ValueError(
            "a scope is visible ASCII without spaces, double quotes and backslashes, 100 characters at most"
        )
    return name


_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_ACCENT = in_words(
    r"^#[0-9a-f]{6}$", "A colour is a # and six hexadecimal digits in small letters, like #4f46e5."
)
_SECRET = {"type": "string", "format": "password"}
SecretText = Annotated[Any, Field(repr=False), PlainValidator(_text_or_secret), WithJsonSchema(_SECRET)]
_CodeLifetime = Annotated[Duration, _seconds(timedelta(seconds=30), timedelta(hours=1))]
_Interval = Annotated[Duration, _seconds(timedelta(seconds=1), timedelta(minutes=1))]
_AccessLifetime = Annotated[Duration, _seconds(timedelta(minutes=1), timedelta(days=1))]
_Network = Annotated[str, AfterValidator(lambda value: str(addresses.network(value)))]
_Key = Annotated[str, AfterValidator(_reachable)]
_Domain = Annotated[str, AfterValidator(lambda value: addresses.domain(value))]
_Grant = Annotated[
    str, BeforeValidator(lambda value: GRANTS.get(value, value) if isinstance(value, str) else value)
]


class Document(BaseModel):
    """Unknown keys are refused; a key that is left out keeps what is there.

    Every text has one form, and nothing in it is invisible.

    ``several_lines``: keys whose texts may have more than one; ``as_given``: keys whose texts nobody may
    change or look into.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    several_lines: ClassVar[frozenset[str]] = frozenset()
    as_given: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _in_one_form(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name in cls.as_given:
            return value
        return every(value, lines if info.field_name in cls.several_lines else line, line)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> Any:
        schema = handler.resolve_ref_schema(handler(core))
        for name, each in cls.model_fields.items():
            if isinstance(each.default, timedelta):  # pydantic says PT10M where 10m is written
                schema["properties"][name]["default"] = write_duration(each.default)
        return plain(schema)


class TenantDocument(Document):
    """The documents after it in the same file belong to this tenant."""

    tenant: Name = _said(title=_("Name"))
    title: str = setting(
        "", max_length=100, title=_("Title"), description=_("What people read on every page.")
    )
    logo: str = setting("", title=_("Logo"), description=_("https://… or data:image/…;base64,…"))
    accent: str = setting(
        "", pattern=_ACCENT, title=_("Accent colour"), description=_("Six hexadecimal digits, like #4f46e5.")
    )
    networks: list[_Network] = setting(
        [], title=_("Own networks"), description=_("Conditions call them tenant.networks. Like 10.0.0.0/8.")
    )
    mail_from: Annotated[str, AfterValidator(mailboxes.checked)] = setting("", title=_("Sender of mails"))
    domains: list[_Domain] = setting(
        [], title=_("Domains"), description=_("Host names that lead here; *.example.com for all below one.")
    )


class GroupDocument(Document):
    """A group of people."""

    group: _Key = _said(min_length=1, max_length=100, title=_("Name"))


class ScopeDocument(Document):
    """A scope in the plain words of the consent page."""

    scope: Annotated[_Key, AfterValidator(_scope_token)] = _said(
        title=_("Name"), description=_("As in the protocol: read:documents.")
    )
    title: str = _said(
        title=_("Title"), description=_("What the person who approves reads: Read your documents.")
    )
    description: str = setting("", title=_("Description"))


class PersonDocument(Document):
    """Somebody who signs in."""

    several_lines = frozenset({"attributes"})
    as_given = frozenset({"password"})

    person: Annotated[str, AfterValidator(fold), AfterValidator(_reachable)] = _said(
        min_length=1, max_length=150, title=_("Username")
    )
    name: str = setting("", max_length=150, title=_("Name"))
    email: Annotated[str, AfterValidator(mailboxes.checked)] = setting("", title=_("Email address"))
    email_verified: bool = setting(False, title=_("The address was verified"))
    password: SecretText = setting(
        "",
        title=_("Password"),
        description=_(
            "Somebody without one gets in by a recovery link, made on their page, and sets it there."
        ),
    )
    attributes: dict[str, str | int | FiniteFloat | bool | None] = setting(
        {}, title=_("Attributes"), description=_("Conditions read them as person.attributes.…")
    )
    active: bool = setting(True, title=_("May sign in"))
    role: RoleName = setting("", title=_("Role in the console"))
    groups: list[str] = setting([], title=_("Groups"))


class DeviceSettings(Document):
    """How the devices of an application behave."""

    code_lifetime: _CodeLifetime = setting(
        timedelta(minutes=10), title=_("A code lives"), description=_("Like 10m; from 30s to 1h.")
    )
    interval: _Interval = setting(
        timedelta(seconds=5), title=_("A device asks every"), description=_("Like 5s; from 1s to 1m.")
    )
    pending_limit: int = setting(10_000, ge=1, title=_("Waiting devices at most"))
    pending_limit_per_address: int = setting(30, ge=1, title=_("Of these from one address"))


class ApplicationDocument(Document):
    """A client of the protocol."""

    as_given = frozenset({"client_secret"})

    application: Name = _said(title=_("Name"))
    title: str = setting(
        "", max_length=100, title=_("Title"), description=_("What the person who approves reads.")
    )
    owner: str = setting(
        "", title=_("Owner"), description=_("Who is behind it, as the consent page says it.")
    )
    verified: bool = setting(False, title=_("The owner was verified"))
    logo: str = setting("", title=_("Logo"), description=_("https://… or data:image/…;base64,…"))
    client_id: str = setting(
        "", title=_("Client id"), description=_("Made by itself where it is left empty.")
    )
    client_secret: SecretText = setting("", title=_("Client secret"))
    type: Literal["public", "confidential"] = setting(
        "public",
        title=_("Type"),
        description=_("Confidential: it can keep a secret. A device or a command line cannot."),
    )
    active: bool = setting(True, title=_("Active"))
    grants: list[_Grant] = setting([], title=_("How it obtains tokens"))
    scopes: list[str] = setting([], title=_("What it may ask for"))
    administers: bool = setting(
        False,
        title=_("May ask for the administration"),
        description=_("For the scopes foyer:read and foyer:write. Only an owner approves it."),
    )
    groups: list[str] = setting(
        [], title=_("Only for these groups"), description=_("None chosen: for everybody.")
    )
    flows: dict[DesignationName, Name] = setting({}, title=_("Flows of its own"))
    device: DeviceSettings = setting(DeviceSettings(), title=_("Its devices"))
    access_token_lifetime: _AccessLifetime = setting(
        timedelta(minutes=10), title=_("An access token lives"), description=_("Like 10m; from 1m to 1d.")
    )
    refresh_token_lifetime: Duration = setting(
        timedelta(days=30), title=_("A refresh token lives"), description=_("Like 30d.")
    )


class MailDocument(Document):
    """The tenant's own wording of a mail."""

    several_lines = frozenset({"text", "html"})

    mail: str = _said(title=_("Mail"))
    subject: str = setting("", title=_("Subject"))
    text: str = setting("", title=_("Text"), json_schema_extra={"format": "long"})
    html: str = setting("", title=_("HTML"), json_schema_extra={"format": "long"})


KINDS: dict[str, type[BaseModel]] = {
    "tenant": TenantDocument,
    "scope": ScopeDocument,
    "group": GroupDocument,
    "person": PersonDocument,
    "flow": FlowDocument,
    "application": ApplicationDocument,
    "mail": MailDocument,
}
