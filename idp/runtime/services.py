"""The services that an installation connects to: its database, Redis and the mail server, each by a URL.

Every URL is checked when the environment is read (env.py); the other functions rely on that.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

_POSTGRESQL = {"postgres", "postgresql"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def check_database_url(given: str) -> str:
    """Return ``given`` unchanged.

    It is empty, ``sqlite:////absolute/file`` or ``postgres://user:password@host/name``; anything else raises
    ValueError, with a message that follows the name of the variable.
    """
    if not given:
        return given
    url = _split(given)
    if url.scheme == "sqlite":
        if not url.path.startswith("//") or not url.path.strip("/") or url.netloc:
            raise ValueError("must be written as sqlite:////absolute/file, with four slashes")
    elif url.scheme not in _POSTGRESQL:
        found = (
            f"not {url.scheme}://" if url.scheme else "with four slashes for a file: sqlite:////absolute/file"
        )
        raise ValueError(f"must begin with postgres:// or sqlite://, {found}")
    elif not url.path.strip("/") and "service" not in dict(parse_qsl(url.query)):
        raise ValueError("names no database. Use postgres://user:password@host/name")
    return given


def check_redis_url(given: str) -> str:
    """Return ``given`` unchanged, or raise ValueError."""
    if given and (_split(given).scheme not in {"redis", "rediss"} or not urlsplit(given).hostname):
        raise ValueError("must be written as redis://:password@host:6379/0, or rediss:// with TLS")
    return given


def check_smtp_url(given: str) -> str:
    """Return ``given`` unchanged, or raise ValueError; a password must not cross a network unencrypted."""
    if not given:
        return given
    url = _split(given)
    start = url.query == "tls=start"
    if (
        url.scheme not in {"smtp", "smtps"}
        or not url.hostname
        or url.path.strip("/")
        or (url.query and not start)
    ):
        raise ValueError("must be written as smtp://user:password@host:587?tls=start or smtps://host:465")
    if start and url.scheme == "smtps":
        raise ValueError("has ?tls=start, but smtps:// is always encrypted. Remove it")
    if url.password and url.scheme == "smtp" and not start and url.hostname not in _LOOPBACK:
        raise ValueError("would send its password unencrypted. Add ?tls=start or use smtps://")
    return given


def database(given: str, folder: Path) -> dict[str, Any]:
    """Return the database as an entry of Django's DATABASES; without a URL, SQLite in ``folder``.

    SQLite uses WAL with immediate transactions: a deferred one that turns into a writer fails with
    "database is locked" however long the timeout is, an immediate one waits its turn.
    """
    if file := sqlite_file(given, folder):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            # created by runtime/files.py only: a command on the wrong folder leaves nothing behind
            "NAME": f"file:{quote(str(file))}?mode=rw",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,  # seconds; requests wait less (web/server/threads.py)
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        }
    url = urlsplit(given)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": "5", **dict(parse_qsl(url.query))},
    }


def sqlite_file(given: str, folder: Path) -> Path | None:
    """Return the file of the SQLite database, None for PostgreSQL."""
    if not given:
        return folder / "foyer.sqlite3"
    url = urlsplit(given)
    return Path(unquote(url.path[1:])).absolute() if url.scheme == "sqlite" else None


def redis_prefix(database_url: str, redis_url: str) -> str:
    """Return the prefix of the names in Redis: a hash of the database and of the Redis database.

    It is the same in every process of an installation, and stays the same while keys and passwords are
    changed node by node.
    """
    database, redis = urlsplit(database_url), urlsplit(redis_url)
    parts = (
        database.hostname or dict(parse_qsl(database.query)).get("host", ""),
        database.port or 5432,
        database.path,
        redis.path.strip("/") or "0",
    )
    return "foyer-" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def smtp(given: str) -> dict[str, Any] | None:
    """Return the mail server as arguments of Django's SMTP backend, None without one."""
    if not given:
        return None
    url = urlsplit(given)
    implicit, start = url.scheme == "smtps", url.query == "tls=start"
    return {
        "host": url.hostname,
        "port": url.port or _usual_port(implicit=implicit, start=start),
        "username": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "use_tls": start,
        "use_ssl": implicit,
        "timeout": 10,  # seconds
    }


def _usual_port(*, implicit: bool, start: bool) -> int:
    """Return the port of mail over TLS, of mail that starts TLS, or of plain mail."""
    if implicit:
        return 465
    return 587 if start else 25


def _split(given: str) -> SplitResult:
    try:
        url = urlsplit(given)
        url.port  # noqa: B018  raises ValueError for one that is no number
    except ValueError:
        message = "isn't a valid URL. Percent-encode special characters in the password, such as %40"
        raise ValueError(message) from None
    return url
