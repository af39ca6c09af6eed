"""The environment variables of an installation, read by pydantic-settings as typed values."""

import ipaddress
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from pydantic import (
    AfterValidator,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from idp.foundation import addresses, mailboxes
from idp.runtime import services

KEY_LENGTH = 32  # characters
_WITHOUT_PREFIX = {"port", "database_url", "redis_url"}


def _items(value: Any) -> Any:
    """Split a comma- or space-separated list."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _secret_key(key: str) -> str:
    if key and len(key) < KEY_LENGTH:
        raise ValueError(f"is too short. Use at least {KEY_LENGTH} random characters")
    return key


def _fallbacks(keys: tuple[str, ...]) -> tuple[str, ...]:
    if any(len(key) < KEY_LENGTH for key in keys):
        raise ValueError(
            f"must list complete keys of at least {KEY_LENGTH} characters, separated by spaces or commas"
        )
    return keys


def _networks(items: Any) -> Any:
    try:
        found = tuple(addresses.parse_network(each) for each in _items(items))
    except ValueError as error:
        raise ValueError(f"must list addresses or networks: {error}") from None
    for each in found:
        if each.num_addresses == 1 and each.network_address.is_unspecified:
            raise ValueError(f"must list addresses or networks: {each} isn't the address of a host")
    return found


def _hosts(items: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(addresses.parse_domain(each) for each in items))
    except ValueError as error:
        raise ValueError(f"contains a host that no request can use: {error}") from None


def _mailbox(address: str) -> str:
    try:
        validate_email(mailboxes.validate_address(address))
    except (DjangoValidationError, ValueError):
        raise ValueError(f"must be an email address, not {address!r}") from None
    return address


def _prefix(name: str) -> str:
    if name and not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise ValueError("can have up to 40 letters, digits, dashes and underscores")
    return name


Count = Annotated[int, Field(ge=1, le=2**31)]
Items = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Networks = Annotated[tuple[addresses.Network, ...], NoDecode, BeforeValidator(_networks)]


class Environment(BaseSettings):
    """Every variable that an operator can set; docs/operations.md describes them.

    A field is set by ``FOYER_`` and its name in capitals; PORT, DATABASE_URL and REDIS_URL have no prefix.
    An empty variable is the same as none. None stands for a default that settings.py derives from others.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=AliasGenerator(
            validation_alias=lambda name: name.upper() if name in _WITHOUT_PREFIX else f"FOYER_{name.upper()}"
        ),
    )

    data: str = "data"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    bind: str = "127.0.0.1"
    hosts: Annotated[Items, AfterValidator(_hosts)] = ()
    trusted_proxies: Networks = ()
    forwarded_host: bool = False
    demo: bool | None = None
    secret_key: Annotated[str, AfterValidator(_secret_key), Field(repr=False)] = ""
    secret_key_fallbacks: Annotated[Items, AfterValidator(_fallbacks), Field(repr=False)] = ()
    admin_password: SecretStr = SecretStr("")  # white space may belong to it
    database_url: Annotated[str, AfterValidator(services.check_database_url), Field(repr=False)] = ""
    redis_url: Annotated[str, AfterValidator(services.check_redis_url), Field(repr=False)] = ""
    redis_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    smtp_url: Annotated[str, AfterValidator(services.check_smtp_url), Field(repr=False)] = ""
    mail_from: Annotated[str, AfterValidator(_mailbox)] = "foyer@localhost"
    mails_per_day: Count = 1000
    geoip: str = ""
    secrets: str = ""
    blueprints: str = ""
    log: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    events_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    listeners_per_address: Count = 100
    connections: Count = 10_000
    connections_per_address: Count | None = None
    drain_seconds: Annotated[int, Field(ge=0, le=600)] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _clean(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        # how Python holds bytes of another encoding
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("isn't UTF-8")
        return value if info.field_name == "admin_password" else value.strip()

    @field_validator("log", "log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


def read() -> Environment:
    """Return the variables of this process; raise ImproperlyConfigured that names the first wrong one."""
    try:
        return Environment()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problem = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
        raise ImproperlyConfigured(f"{first['loc'][0]} {problem}.") from None


def is_loopback(host: str) -> bool:
    """Return whether ``host``, an address or ``localhost``, can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def provide_time_zones(system: Path = Path("/usr/share/zoneinfo")) -> None:
    """Set TZDIR to the package ``tzdata`` where the system has no time zones.

    The C++ code that evaluates conditions reads them there.
    """
    if not system.is_dir():
        os.environ.setdefault("TZDIR", str(files("tzdata") / "zoneinfo"))
