"""One document model for each kind of object that an administrator sees, by name and never by primary key."""

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

from blueprints.files.tags import SecretTag
from flows.documents.document import DesignationName, FlowDocument, FlowName
from flows.settings import Duration, format_duration, resolve_lazy_text, setting
from flows.validation_messages import with_message
from idp.accounts.roles import RoleName
from idp.foundation import addresses, mailboxes
from idp.foundation.text import fold, map_text, normalize_line, normalize_lines
from idp.oauth.discovery import DEVICE_CODE

LONG_GRANTS = {"device_code": DEVICE_CODE}
SHORT_GRANTS = {long: short for short, long in LONG_GRANTS.items()}


def _required(**described: Any) -> Any:
    """Return a key that every document must have."""
    return setting(..., **described)


def _between(low: timedelta, high: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise ValueError(f"must be between {format_duration(low)} and {format_duration(high)}")
        return value

    return AfterValidator(check)


def _text_or_secret(value: Any) -> SecretTag | str:
    if isinstance(value, SecretTag | str):
        return value
    raise ValueError("must be a text, or better !secret NAME")


def _check_reachable(name: str) -> str:
    """Return ``name`` unchanged; raise ValueError for one that has no reachable page or API URL.

    Browsers resolve dot segments in URLs, so such a name would lead elsewhere.
    """
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError("can't be used in a URL: the parts between slashes must not be empty, . or ..")
    return name


def _check_scope_token(name: str) -> str:
    """Return ``name`` unchanged; raise ValueError if it is not a scope token (RFC 6749 section 3.3)."""
    if not _SCOPE.fullmatch(name):
        raise ValueError(
            "must be up to 100 visible ASCII characters without spaces, double quotes and backslashes"
        )
    return name


_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_ACCENT = with_message(
    r"^#[0-9a-f]{6}$", "Enter a color as # and six lowercase hexadecimal digits, like #4f46e5."
)
_SECRET = {"type": "string", "format": "password"}
SecretText = Annotated[Any, Field(repr=False), PlainValidator(_text_or_secret), WithJsonSchema(_SECRET)]
_CodeLifetime = Annotated[Duration, _between(timedelta(seconds=30), timedelta(hours=1))]
_Interval = Annotated[Duration, _between(timedelta(seconds=1), timedelta(minutes=1))]
_AccessLifetime = Annotated[Duration, _between(timedelta(minutes=1), timedelta(days=1))]
_Network = Annotated[str, AfterValidator(lambda value: str(addresses.parse_network(value)))]
_ReachableName = Annotated[str, AfterValidator(_check_reachable)]
_Domain = Annotated[str, AfterValidator(lambda value: addresses.parse_domain(value))]
_Grant = Annotated[
    str, BeforeValidator(lambda value: LONG_GRANTS.get(value, value) if isinstance(value, str) else value)
]


class Document(BaseModel):
    """The base of all documents: unknown keys are refused, an omitted key keeps the stored value.

    Every text is normalized to one form without invisible characters.

    ``multiline`` names the keys whose texts may have several lines. ``verbatim`` names the keys whose
    texts are taken verbatim and never inspected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    multiline: ClassVar[frozenset[str]] = frozenset()
    verbatim: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _normalize(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name in cls.verbatim:
            return value
        return map_text(
            value, normalize_lines if info.field_name in cls.multiline else normalize_line, normalize_line
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> Any:
        schema = handler.resolve_ref_schema(handler(core))
        for name, each in cls.model_fields.items():
            if isinstance(each.default, timedelta):  # pydantic writes PT10M, blueprints write 10m
                schema["properties"][name]["default"] = format_duration(each.default)
        return resolve_lazy_text(schema)


class TenantDocument(Document):
    """A tenant. Documents after it in the same file apply to this tenant."""

    tenant: FlowName = _required(title=_("ID"))
    title: str = setting("", max_length=100, title=_("Display name"), description=_("Shown on every page."))
    logo: str = setting("", title=_("Logo"), description=_("https://… or data:image/…;base64,…"))
    accent: str = setting(
        "", pattern=_ACCENT, title=_("Accent color"), description=_("Six hexadecimal digits, like #4f46e5.")
    )
    networks: list[_Network] = setting(
        [],
        title=_("Trusted networks"),
        description=_("Available in conditions as tenant.networks. For example 10.0.0.0/8."),
    )
    mail_from: Annotated[str, AfterValidator(mailboxes.validate_address)] = setting(
        "", title=_("From address")
    )
    domains: list[_Domain] = setting(
        [], title=_("Domains"), description=_("Host names of this tenant; *.example.com for all subdomains.")
    )


class GroupDocument(Document):
    """A group of people."""

    group: _ReachableName = _required(min_length=1, max_length=100, title=_("Name"))


class ScopeDocument(Document):
    """A scope, as described on the consent page."""

    scope: Annotated[_ReachableName, AfterValidator(_check_scope_token)] = _required(
        title=_("Scope"), description=_("As used in the protocol, for example read:documents.")
    )
    title: str = _required(
        title=_("Display name"), description=_("Shown on the consent page, for example Read your documents.")
    )
    description: str = setting("", title=_("Description"))


class PersonDocument(Document):
    """A person who signs in."""

    multiline = frozenset({"attributes"})
    verbatim = frozenset({"password"})

    person: Annotated[str, AfterValidator(fold), AfterValidator(_check_reachable)] = _required(
        min_length=1, max_length=150, title=_("Username")
    )
    name: str = setting("", max_length=150, title=_("Display name"))
    email: Annotated[str, AfterValidator(mailboxes.validate_address)] = setting("", title=_("Email address"))
    email_verified: bool = setting(False, title=_("Email verified"))
    password: SecretText = setting(
        "",
        title=_("Password"),
        description=_(
            "People without a password set one with a recovery link, which you create on their page."
        ),
    )
    attributes: dict[str, str | int | FiniteFloat | bool | None] = setting(
        {}, title=_("Attributes"), description=_("Available in conditions as person.attributes.")
    )
    active: bool = setting(True, title=_("Active"))
    role: RoleName = setting("", title=_("Role"))
    groups: list[str] = setting([], title=_("Groups"))


class DeviceSettings(Document):
    """Settings of the device code grant."""

    code_lifetime: _CodeLifetime = setting(
        timedelta(minutes=10),
        title=_("User code lifetime"),
        description=_("For example 10m; from 30s to 1h."),
    )
    interval: _Interval = setting(
        timedelta(seconds=5), title=_("Polling interval"), description=_("For example 5s; from 1s to 1m.")
    )
    pending_limit: int = setting(10_000, ge=1, title=_("Max pending requests"))
    pending_limit_per_address: int = setting(30, ge=1, title=_("Max pending per IP"))


class ApplicationDocument(Document):
    """An application: an OAuth client."""

    verbatim = frozenset({"client_secret"})

    application: FlowName = _required(title=_("ID"))
    title: str = setting(
        "", max_length=100, title=_("Display name"), description=_("Shown on the consent page.")
    )
    owner: str = setting("", title=_("Publisher"), description=_("Shown on the consent page."))
    verified: bool = setting(False, title=_("Verified publisher"))
    logo: str = setting("", title=_("Logo"), description=_("https://… or data:image/…;base64,…"))
    client_id: str = setting("", title=_("Client ID"), description=_("Leave blank to generate one."))
    client_secret: SecretText = setting("", title=_("Client secret"))
    type: Literal["public", "confidential"] = setting(
        "public",
        title=_("Type"),
        description=_(
            "Choose confidential only if the application can keep a secret. Devices and command-line tools "
            "can't."
        ),
    )
    active: bool = setting(True, title=_("Active"))
    grants: list[_Grant] = setting([], title=_("Grant types"))
    scopes: list[str] = setting([], title=_("Allowed scopes"))
    administers: bool = setting(
        False,
        title=_("Administration access"),
        description=_("Allows the scopes foyer:read and foyer:write. Only an owner can approve this."),
    )
    groups: list[str] = setting(
        [], title=_("Restrict to groups"), description=_("Leave empty to allow everyone.")
    )
    flows: dict[DesignationName, FlowName] = setting({}, title=_("Flow overrides"))
    device: DeviceSettings = setting(DeviceSettings(), title=_("Device settings"))
    access_token_lifetime: _AccessLifetime = setting(
        timedelta(minutes=10),
        title=_("Access token lifetime"),
        description=_("For example 10m; from 1m to 1d."),
    )
    refresh_token_lifetime: Duration = setting(
        timedelta(days=30), title=_("Refresh token lifetime"), description=_("For example 30d.")
    )


class MailDocument(Document):
    """A customized email template."""

    multiline = frozenset({"text", "html"})

    mail: str = _required(title=_("Template"))
    subject: str = setting("", title=_("Subject"))
    text: str = setting("", title=_("Plain text"), json_schema_extra={"format": "long"})
    html: str = setting("", title=_("HTML"), json_schema_extra={"format": "long"})


DOCUMENTS: dict[str, type[BaseModel]] = {
    "tenant": TenantDocument,
    "scope": ScopeDocument,
    "group": GroupDocument,
    "person": PersonDocument,
    "flow": FlowDocument,
    "application": ApplicationDocument,
    "mail": MailDocument,
}
