"""What goes wrong outside of the program, as one sentence that says what to do: no installation, no database,
no Redis, no file.
"""

from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from idp.foundation.sealing import Unsealable

EXPECTED = (CommandError, ImproperlyConfigured, DatabaseError, RedisError, OSError, EOFError, Unsealable)
"""What may happen where the program is right. Everything else is a fault of ours, and keeps its traceback."""
_NO_TABLE = {"42P01", "42703"}  # SQLSTATE of PostgreSQL: undefined table, undefined column
_ADVICE = {
    "database is locked": "Another process writes to it; try again when that is done.",
    "readonly database": "This user may not write to the file or to its folder.",
    "unable to open database file": "This user may not use the file or its folder.",
    "file is not a database": "DATABASE_URL or FOYER_DATA names another file, or it is damaged: "
    "put a backup in its place.",
    "disk image is malformed": "It is damaged: put a backup in its place.",
    "disk is full": "Make room, and try again.",
    "connection option": "DATABASE_URL has an option after its ? that PostgreSQL does not know.",
    "connection": "Is PostgreSQL running, and is DATABASE_URL right?",
    "resolve host": "Is DATABASE_URL right?",
}


def sentence(error: Exception) -> str:
    """Return what to tell whoever runs a command."""
    if isinstance(error, Unsealable):
        return (
            "The database holds values that were sealed under a secret key that neither FOYER_SECRET_KEY "
            "nor its fallbacks name."
        )
    if isinstance(error, RedisError):
        return f"Redis cannot be used: {_said(error)} Is it running, and is REDIS_URL right?"
    if isinstance(error, DatabaseError):
        return _of_database(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'A file or connection'} cannot be used: {error.strerror or error}."
    if isinstance(error, EOFError):
        return "The input ended before anything was entered."
    return str(error)


def _of_database(error: Exception) -> str:
    file, said = settings.SQLITE, _said(error)
    if file and _is_missing(file):
        return (
            f"There is no installation at {file}. Set FOYER_DATA to the folder of one, or make one with "
            "manage.py up."
        )
    if file and file.parent.is_dir() and file.is_dir():
        return f"The database cannot be used: {file} is a folder."
    if (
        getattr(error.__cause__, "sqlstate", "") in _NO_TABLE
        or "no such table" in said
        or "no such column" in said
    ):
        return f"The database lacks tables or columns ({said.rstrip('.')}). Run manage.py setup."
    advice = next((f" {advice}" for found, advice in _ADVICE.items() if found in said), "")
    return f"The database cannot be used: {said}{advice}"


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it cannot be seen, which is something else
    return False


def _said(error: Exception) -> str:
    """What a library says, as a sentence."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if said.endswith((".", "?", "!")) else f"{said}."
