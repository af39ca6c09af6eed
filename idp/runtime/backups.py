"""Consistent copies of a SQLite database in use, and their restoration."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

_TABLE = "tenancy_tenant"


class BackupFailed(Exception):
    """The copy was not made; the message says why."""


def copy_database(source: Path, target: Path) -> int:
    """Copy a database to a new file with mode 0600, and return its size in bytes; raise BackupFailed.

    ``target`` gets its name only once the copy is complete, checked and on the disk. Writers continue
    meanwhile: the copy is a snapshot.
    """
    if not source.is_file():
        raise BackupFailed(f"No database at {source}.")
    if target.exists():
        raise BackupFailed(f"{target} already exists and won't be overwritten.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _fill(draft, source)
        os.link(draft, target)  # unlike a rename, it never replaces a file
    except sqlite3.DatabaseError as error:
        raise BackupFailed(f"{source} can't be copied: {error}.") from None
    except FileExistsError:
        raise BackupFailed(f"{target} already exists and won't be overwritten.") from None
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size


def _fill(draft: Path, source: Path) -> None:
    address = f"file:{_uri_path(source)}?mode=rw"  # a read-only connection leaves its journal behind
    with (
        closing(sqlite3.connect(address, uri=True, timeout=20)) as original,
        closing(sqlite3.connect(draft)) as copied,
    ):
        if not original.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [_TABLE]).fetchone():
            raise BackupFailed(f"{source} isn't a Foyer database.")
        original.backup(copied)
        copied.execute("PRAGMA journal_mode = DELETE")  # a single file without a journal
        faults = [
            fault for (fault,) in copied.execute("PRAGMA integrity_check(3)").fetchall() if fault != "ok"
        ]
        if faults:
            raise BackupFailed(f"{source} is damaged: {'; '.join(faults)}.")
    with open(draft, "rb") as file:
        os.fsync(file.fileno())


def _uri_path(path: Path) -> str:
    return path.absolute().as_uri().removeprefix("file://")
