"""Reads the process environment as typed values; a wrong value is an error that names its variable."""

import hashlib
import ipaddress
import os
import re
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from idp.foundation import addresses, mailboxes

_KEY_FILE, _KEY_LENGTH = "secret.key", 32
_DIGITS = 20
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable's text, without surrounding white space."""
    return (verbatim(name) if name in os.environ else default).strip()


def verbatim(name: str) -> str:
    """Return the variable's text as it was given, white space included: for passwords."""
    value = os.environ.get(name, "")
    # how Python keeps bytes of another encoding
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ImproperlyConfigured(f"{name} isn't UTF-8.")
    return value


def items(name: str) -> list[str]:
    """A comma- or space-separated list."""
    return text(name).replace(",", " ").split()


def flag(name: str, default: bool) -> bool:
    """A switch: on/off, yes/no, true/false, 1/0."""
    value = text(name, "on" if default else "off").lower()
    if value in _TRUE | _FALSE:
        return value in _TRUE
    raise ImproperlyConfigured(f"{name} must be on or off, not {value!r}.")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens on this address; of a name only ``localhost`` is
    known.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def number(name: str, default: int, low: int = 0, high: int = 2**31) -> int:
    """A whole number between ``low`` and ``high``."""
    value = text(name, str(default))
    if value.isdecimal() and len(value) <= _DIGITS and low <= int(value) <= high:
        return int(value)
    raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}, not {value!r}.")


def time_zones(system: Path = Path("/usr/share/zoneinfo")) -> None:
    """Names the package ``tzdata`` in TZDIR where the system has no zones of its own: the C++ code of
    conditions reads them there.
    """
    if not system.is_dir():
        os.environ.setdefault("TZDIR", str(files("tzdata") / "zoneinfo"))


def secret_key(folder: Path) -> str:
    """Return ``FOYER_SECRET_KEY``, or the one kept in ``folder``/secret.key, or a new one, which nothing has
    kept yet.
    """
    given = text("FOYER_SECRET_KEY")
    if given:
        if len(given) < _KEY_LENGTH:
            raise ImproperlyConfigured(
                f"FOYER_SECRET_KEY is too short. Use at least {_KEY_LENGTH} random characters."
            )
        return given
    try:
        kept = (folder / _KEY_FILE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return secrets.token_urlsafe(48)
    except OSError as error:
        raise ImproperlyConfigured(f"{folder / _KEY_FILE} can't be read: {error.strerror}.") from None
    if len(kept) < _KEY_LENGTH:
        raise ImproperlyConfigured(
            f"{folder / _KEY_FILE} contains no key: it must have at least {_KEY_LENGTH} characters."
        )
    return kept


def secret_key_fallbacks() -> list[str]:
    """Return ``FOYER_SECRET_KEY_FALLBACKS``: further keys that are accepted."""
    keys = text("FOYER_SECRET_KEY_FALLBACKS").replace(",", " ").split()
    if any(len(key) < _KEY_LENGTH for key in keys):
        raise ImproperlyConfigured(
            f"FOYER_SECRET_KEY_FALLBACKS must list complete keys of at least {_KEY_LENGTH} "
            "characters, separated by spaces or commas."
        )
    return keys


def keep_secret_key(folder: Path, key: str) -> str:
    """Write ``key`` to ``folder``/secret.key (mode 0600) unless there is one; return the one that is kept."""
    path, draft = folder / _KEY_FILE, folder / f".secret.{os.getpid()}"
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(key)
        try:
            # atomic: of two processes that start at once, one makes the key and both read it
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def database(folder: Path) -> dict[str, Any]:
    """``DATABASE_URL`` as Django's dictionary; without it, SQLite in ``folder``.

    It is written ``sqlite:////absolute/file`` or ``postgres://user:password@host/name``.

    SQLite is set to WAL with immediate transactions: a deferred one that turns into a writer fails with
    "database is locked" whatever the timeout, an immediate one waits its turn.
    """
    given = text("DATABASE_URL")
    url = _url("DATABASE_URL", given or "sqlite://")
    if file := sqlite_file(folder):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            # made by runtime/files.py only: a command on the wrong folder leaves nothing
            "NAME": f"file:{quote(str(file))}?mode=rw",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,  # seconds; requests wait less (web/server/threads.py)
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        }
    if url.scheme in {"postgres", "postgresql"}:
        options = dict(parse_qsl(url.query))
        if not url.path.strip("/") and "service" not in options:
            raise ImproperlyConfigured(
                "DATABASE_URL names no database. Use postgres://user:password@host/name."
            )
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path.lstrip("/")),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": url.hostname or "",
            "PORT": str(url.port or ""),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"connect_timeout": "5", **options},
        }
    what = f"not {url.scheme}://" if url.scheme else "with four slashes for a file: sqlite:////absolute/file"
    raise ImproperlyConfigured(f"DATABASE_URL must begin with postgres:// or sqlite://, {what}.")


def sqlite_file(folder: Path) -> Path | None:
    """Return the file of the SQLite database; None where it is PostgreSQL."""
    given = text("DATABASE_URL")
    if not given:
        return folder / "foyer.sqlite3"
    url = urlsplit(given)
    if url.scheme != "sqlite":
        return None
    if not url.path.startswith("//") or not url.path.strip("/") or url.netloc:
        raise ImproperlyConfigured("Write DATABASE_URL as sqlite:////absolute/file, with four slashes.")
    return Path(unquote(url.path[1:])).absolute()


def redis_url() -> str:
    """Return ``REDIS_URL``, "" without it."""
    given = text("REDIS_URL")
    if given and (_url("REDIS_URL", given).scheme not in {"redis", "rediss"} or not urlsplit(given).hostname):
        raise ImproperlyConfigured("Write REDIS_URL as redis://:password@host:6379/0, or rediss:// with TLS.")
    return given


def redis_prefix() -> str:
    """Return what the names in Redis begin with: ``FOYER_REDIS_PREFIX``, or a hash of which database and
    which Redis database are used.

    It must be the same in every process of an installation, and stay so while keys and passwords are changed
    node by node.
    """
    given = text("FOYER_REDIS_PREFIX")
    if given:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", given):
            raise ImproperlyConfigured(
                "FOYER_REDIS_PREFIX can have up to 40 letters, digits, dashes and underscores."
            )
        return given
    kept, shared = _url("DATABASE_URL", text("DATABASE_URL")), _url("REDIS_URL", text("REDIS_URL"))
    parts = (
        kept.hostname or dict(parse_qsl(kept.query)).get("host", ""),
        kept.port or 5432,
        kept.path,
        shared.path.strip("/") or "0",
    )
    return "foyer-" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def smtp() -> dict[str, Any] | None:
    """``FOYER_SMTP_URL`` as Django's mail backend takes it; None without it.

    It is written ``smtp://user:password@host:587?tls=start``, ``smtps://host:465`` or
    ``smtp://localhost:25``.
    """
    given = text("FOYER_SMTP_URL")
    if not given:
        return None
    try:
        url = urlsplit(given)
        start, port = url.query == "tls=start", url.port
    except ValueError:
        url, start, port = urlsplit(""), False, None
    if (
        url.scheme not in {"smtp", "smtps"}
        or not url.hostname
        or url.path.strip("/")
        or (url.query and not start)
    ):
        raise ImproperlyConfigured(
            "Write FOYER_SMTP_URL as smtp://user:password@host:587?tls=start or smtps://host:465."
        )
    if start and url.scheme == "smtps":
        raise ImproperlyConfigured("FOYER_SMTP_URL: smtps:// is always encrypted. Remove ?tls=start.")
    if (
        url.password
        and url.scheme == "smtp"
        and not start
        and url.hostname not in {"localhost", "127.0.0.1", "::1"}
    ):
        raise ImproperlyConfigured(
            "FOYER_SMTP_URL would send its password unencrypted. Add ?tls=start or use smtps://."
        )
    return {
        "host": url.hostname,
        "port": port or (465 if url.scheme == "smtps" else 587 if start else 25),
        "username": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "use_tls": start,
        "use_ssl": url.scheme == "smtps",
        "timeout": 10,
    }


def mail_from() -> str:
    """``FOYER_MAIL_FROM``: the sender's address of tenants that have none of their own."""
    given = text("FOYER_MAIL_FROM") or "foyer@localhost"
    try:
        validate_email(mailboxes.checked(given))
    except (ValidationError, ValueError):
        raise ImproperlyConfigured(f"FOYER_MAIL_FROM must be an email address, not {given!r}.") from None
    return given


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of the allowed words."""
    value = text(name, default).lower() or default
    if value in allowed:
        return value
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")


def networks(name: str) -> tuple[addresses.Network, ...]:
    """Addresses or networks in CIDR notation."""
    try:
        found = tuple(addresses.network(each) for each in items(name))
        if nobody := next(
            (each for each in found if each.num_addresses == 1 and each.network_address.is_unspecified), None
        ):
            raise ValueError(f"{nobody} isn't the address of a host")
        return found
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must list addresses or networks: {error}.") from None


def hosts(name: str) -> frozenset[str]:
    """Host names and wildcards, as Host headers have them."""
    try:
        return frozenset(addresses.domain(each) for each in items(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} contains a host that no request can use: {error}.") from None


def _url(name: str, given: str) -> SplitResult:
    try:
        url = urlsplit(given)
        url.port  # noqa: B018  it is read late
    except ValueError:
        message = (
            f"{name} isn't a valid address. Percent-encode special characters in the password, such as %40."
        )
        raise ImproperlyConfigured(message) from None
    return url
