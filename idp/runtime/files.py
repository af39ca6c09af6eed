"""The files of an installation: data folder, secret key, SQLite database; made by the commands that serve,
for one user only.
"""

import errno
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from idp.runtime import secret_key
from idp.runtime.resealing import foreign_key

_FOREIGN = (
    "The secret key doesn't match this database, so its encrypted data can't be read. Restore the "
    "matching secret.key, or set FOYER_SECRET_KEY to it; add older keys to "
    "FOYER_SECRET_KEY_FALLBACKS. If the key is lost, run manage.py keys lost."
)


def prepare() -> None:
    """Make what is missing of folder, database and secret key.

    Raise CommandError when the key is not that of the database.
    """
    folder = Path(settings.DATA)
    make_folder(folder)
    if settings.SQLITE:
        narrow(settings.SQLITE)
    refuse_foreign_key()
    keep_secret_key()


def refuse_foreign_key() -> None:
    """Raise CommandError when nothing that is sealed in the database can be read under the secret key."""
    if foreign_key():
        raise CommandError(_FOREIGN)


def keep_secret_key() -> None:
    """Write the secret key into the data folder, unless the environment gives it.

    Two starts at once keep the same one.
    """
    if not settings.SECRET_KEY_IS_GIVEN:
        make_folder(Path(settings.DATA))
        settings.SECRET_KEY = secret_key.store_secret_key(Path(settings.DATA), settings.SECRET_KEY)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make a folder with this mode, whatever the umask; one that is there stays as it is."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)


def narrow(database: Path) -> None:
    """Make an empty SQLite file where there is none, and let only its owner read it and the files beside it.

    Raise OSError for a folder.
    """
    if database.is_dir():
        # and keeps its mode: it is not ours
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(database))
    database.touch(mode=0o600)
    for file in (database, *beside(database)):
        if shared(file) and file.stat().st_uid == os.geteuid():
            file.chmod(0o600)


def settle(database: Path) -> None:
    """Write the journal of a SQLite file into it: a server that was stopped leaves one whole file, unless
    somebody else still reads.
    """
    if database.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=1)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def beside(database: Path) -> list[Path]:
    """Return the journals of a SQLite file that exist."""
    return [file for end in ("-wal", "-shm") if (file := database.with_name(database.name + end)).exists()]


def shared(path: Path) -> bool:
    """Whether others than the owner may read, write or enter."""
    return bool(path.stat().st_mode & 0o077)
