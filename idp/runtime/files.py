"""The files of an installation: data folder, secret key and SQLite database.

Commands that serve create them, for one user only.
"""

import errno
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from idp.runtime import secret_key
from idp.runtime.resealing import is_key_mismatched

_FOREIGN = (
    "The secret key doesn't match this database, so its encrypted data can't be read. Restore the "
    "matching secret.key, or set FOYER_SECRET_KEY to it; add older keys to "
    "FOYER_SECRET_KEY_FALLBACKS. If the key is lost, run manage.py keys lost."
)


def prepare() -> None:
    """Create the folder, the database and the secret key where they are missing.

    Raise CommandError when the key is not that of the database.
    """
    folder = Path(settings.DATA)
    make_folder(folder)
    if settings.SQLITE:
        prepare_database(settings.SQLITE)
    require_matching_key()
    store_secret_key()


def require_matching_key() -> None:
    """Raise CommandError when the secret key cannot decrypt any sealed value of the database."""
    if is_key_mismatched():
        raise CommandError(_FOREIGN)


def store_secret_key() -> None:
    """Save the secret key in the data folder, unless the environment sets it.

    Two concurrent starts use the same one.
    """
    if not settings.SECRET_KEY_IS_GIVEN:
        make_folder(Path(settings.DATA))
        settings.SECRET_KEY = secret_key.store_secret_key(Path(settings.DATA), settings.SECRET_KEY)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Create a folder with this mode, regardless of the umask; an existing one stays as it is."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)


def prepare_database(database: Path) -> None:
    """Create an empty SQLite file where there is none, and restrict it and its journals to the owner.

    Raise OSError for a folder.
    """
    if database.is_dir():
        # it is not Foyer's, so its mode must not change
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(database))
    database.touch(mode=0o600)
    for file in (database, *journal_files(database)):
        if is_shared(file) and file.stat().st_uid == os.geteuid():
            file.chmod(0o600)


def checkpoint(database: Path) -> None:
    """Write the journal of a SQLite file into it.

    So a server that was stopped leaves one complete file, unless another process still reads it.
    """
    if database.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=1)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def journal_files(database: Path) -> list[Path]:
    """Return the journals of a SQLite file that exist."""
    possible = (database.with_name(database.name + end) for end in ("-wal", "-shm"))
    return [file for file in possible if file.exists()]


def is_shared(path: Path) -> bool:
    """Return whether users other than the owner may read, write or enter."""
    return bool(path.stat().st_mode & 0o077)
