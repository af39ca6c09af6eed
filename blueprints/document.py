"""One kind of document for each object that an administrator sees; named, never by primary key."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema

from blueprints.tags import Secret
from flows.document import DesignationName, FlowDocument, Name
from flows.settings import Duration
from idp.accounts.people import fold
from idp.oauth.discovery import DEVICE_CODE

GRANTS = {"device_code": DEVICE_CODE}


def _seconds(low: timedelta, high: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise ValueError(f"must lie between {low} and {high}")
        return value

    return AfterValidator(check)


def _text_or_secret(value: Any) -> Secret | str:
    if isinstance(value, Secret | str):
        return value
    raise ValueError("write a text, or better !secret NAME")


_SECRET = {"type": "string", "description": "A value, or better: !secret NAME."}
SecretText = Annotated[Any, Field(repr=False), PlainValidator(_text_or_secret), WithJsonSchema(_SECRET)]
_CodeLifetime = Annotated[Duration, _seconds(timedelta(seconds=30), timedelta(hours=1))]
_Interval = Annotated[Duration, _seconds(timedelta(seconds=1), timedelta(minutes=1))]
_AccessLifetime = Annotated[Duration, _seconds(timedelta(minutes=1), timedelta(days=1))]
_Network = Annotated[str, AfterValidator(lambda value: str(ip_network(value, strict=False)))]
_Grant = Annotated[str, BeforeValidator(lambda value: GRANTS.get(value, value) if isinstance(value, str) else value)]


class Document(BaseModel):
    """Unknown keys are refused; a key that is left out keeps what is there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TenantDocument(Document):
    """The documents after it in the same file belong to this tenant."""

    tenant: Name
    title: str = Field("", max_length=100)
    logo: str = ""
    accent: str = Field("", pattern=r"^#[0-9a-f]{6}$")
    networks: list[_Network] = []
    mail_from: str = ""
    domains: list[str] = []


class GroupDocument(Document):
    """A group of people."""

    group: str = Field(min_length=1, max_length=100)


class ScopeDocument(Document):
    """A scope in the plain words of the consent page."""

    scope: str
    title: str
    description: str = ""


class PersonDocument(Document):
    """Somebody who signs in."""

    person: Annotated[str, Field(min_length=1, max_length=150), AfterValidator(fold)]
    name: str = Field("", max_length=150)
    email: Annotated[str, AfterValidator(fold)] = ""
    email_verified: bool = False
    password: SecretText = ""
    attributes: dict[str, str | int | float | bool | None] = {}
    active: bool = True
    role: Literal["", "owner", "admin", "editor", "helpdesk", "auditor"] = ""
    groups: list[str] = []


class DeviceSettings(Document):
    """How the devices of an application behave."""

    code_lifetime: _CodeLifetime = timedelta(minutes=10)
    interval: _Interval = timedelta(seconds=5)
    pending_limit: int = Field(10_000, ge=1)
    pending_limit_per_address: int = Field(30, ge=1)


class ApplicationDocument(Document):
    """A client of the protocol."""

    application: Name
    title: str = Field("", max_length=100)
    owner: str = ""
    verified: bool = False
    logo: str = ""
    client_id: str = ""
    client_secret: SecretText = ""
    type: Literal["public", "confidential"] = "public"
    active: bool = True
    grants: list[_Grant] = []
    scopes: list[str] = []
    groups: list[str] = []
    flows: dict[DesignationName, Name] = {}
    device: DeviceSettings = DeviceSettings()
    access_token_lifetime: _AccessLifetime = timedelta(minutes=10)
    refresh_token_lifetime: Duration = timedelta(days=30)


class MailDocument(Document):
    """The tenant's own wording of a mail."""

    mail: str
    subject: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    text: str = ""
    html: str = ""


KINDS: dict[str, type[BaseModel]] = {
    "tenant": TenantDocument,
    "scope": ScopeDocument,
    "group": GroupDocument,
    "person": PersonDocument,
    "flow": FlowDocument,
    "application": ApplicationDocument,
    "mail": MailDocument,
}
