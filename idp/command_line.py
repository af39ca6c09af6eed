"""The entry of ``manage.py``: our version, who may read what a command makes, and what goes wrong in one sentence."""

import os
import sys
import tomllib
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError, ProgrammingError

import idp.celery  # noqa: F401  Without our Celery app, what a command sends would go to Celery's default one, which hangs on amqp.
from idp.sealing import Unsealable

_PRIVATE = 0o077
_FOR_THE_SOURCES = {"makemessages", "makemigrations", "openapi", "reference", "stage"}  # they write files that others read and commit


def main(arguments: list[str]) -> None:
    """Run one command; exit with 1 and one sentence where its surroundings are wrong, without a traceback."""
    name = arguments[1] if len(arguments) > 1 else "help"
    if name in ("version", "--version"):
        print(version())  # noqa: T201
        return
    if name not in _FOR_THE_SOURCES:
        os.umask(_PRIVATE)
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"Foyer: {error}")
    except (DatabaseError, OSError, Unsealable) as error:
        if "--traceback" in arguments:
            raise
        sys.exit(f"Foyer: {_sentence(error)}")


def version() -> str:
    """Return the version that pyproject.toml names."""
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _sentence(error: Exception) -> str:
    if isinstance(error, Unsealable):
        return "The database holds values that were sealed under a secret key that neither FOYER_SECRET_KEY nor its fallbacks name."
    if isinstance(error, OSError):
        return f"{error.filename or 'A file or connection'} cannot be used: {error.strerror or error}."
    file = settings.SQLITE
    if file and not file.exists():
        return f"There is no installation at {file}. Set FOYER_DATA to the folder of one, or make one with manage.py up."
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ProgrammingError) or "no such table" in said or "no such column" in said:
        return f"The database lacks tables or columns ({said}). Run manage.py setup."
    return f"The database cannot be used: {said}."
