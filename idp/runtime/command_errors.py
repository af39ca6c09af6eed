"""Faults outside of the program as one sentence that says what to do.

They concern the installation, the database, Redis or a file.
"""

from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from idp.foundation.sealing import Unsealable

EXPECTED_ERRORS = (
    CommandError,
    ImproperlyConfigured,
    DatabaseError,
    RedisError,
    OSError,
    EOFError,
    Unsealable,
)
"""Errors that do not indicate a bug; all others keep their traceback."""
_NO_TABLE = {"42P01", "42703"}  # SQLSTATE of PostgreSQL: undefined table, undefined column
_ADVICE = {
    "database is locked": "Another process is writing to it. Try again later.",
    "readonly database": "This user has no write permission for the file or its folder.",
    "unable to open database file": "This user has no permission for the file or its folder.",
    "file is not a database": (
        "DATABASE_URL or FOYER_DATA points to another file, or it is damaged: restore a backup."
    ),
    "disk image is malformed": "It is damaged: restore a backup.",
    "disk is full": "Free some space and try again.",
    "connection option": "DATABASE_URL has an option after its ? that PostgreSQL doesn't support.",
    "connection": "Is PostgreSQL running, and is DATABASE_URL right?",
    "resolve host": "Is DATABASE_URL right?",
}


def describe_error(error: Exception) -> str:
    """Return the message for the person who runs a command."""
    if isinstance(error, Unsealable):
        return (
            "The database contains values encrypted with a secret key that is neither "
            "FOYER_SECRET_KEY nor one of its fallbacks."
        )
    if isinstance(error, RedisError):
        return f"Redis can't be used: {_library_message(error)} Is it running, and is REDIS_URL right?"
    if isinstance(error, DatabaseError):
        return _database_message(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'A file or connection'} can't be used: {error.strerror or error}."
    if isinstance(error, EOFError):
        return "The input ended before anything was entered."
    return str(error)


def _database_message(error: Exception) -> str:
    file, message = settings.SQLITE, _library_message(error)
    if file and _is_missing(file):
        return f"No installation at {file}. Set FOYER_DATA to its folder, or create one with manage.py up."
    if file and file.parent.is_dir() and file.is_dir():
        return f"The database can't be used: {file} is a folder."
    if (
        getattr(error.__cause__, "sqlstate", "") in _NO_TABLE
        or "no such table" in message
        or "no such column" in message
    ):
        return f"The database lacks tables or columns ({message.rstrip('.')}). Run manage.py setup."
    advice = next((f" {advice}" for found, advice in _ADVICE.items() if found in message), "")
    return f"The database can't be used: {message}{advice}"


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it exists but cannot be accessed
    return False


def _library_message(error: Exception) -> str:
    """Return a library's message as a sentence."""
    message = " ".join(str(error).split()) or type(error).__name__
    return message if message.endswith((".", "?", "!")) else f"{message}."
