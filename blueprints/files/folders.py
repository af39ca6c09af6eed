"""Find the blueprint files of a folder and read files safely, however unusual the folder is."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

SUFFIXES = (".yaml", ".yml")


def is_blueprint(path: Path) -> bool:
    """Return whether a file with this name is read."""
    return path.suffix.lower() in SUFFIXES


def list_files(folder: Path, on_error: Callable[[OSError], object]) -> list[Path]:
    """Return everything below ``folder`` except folders and hidden entries, sorted by path.

    Hidden entries are skipped because a mounted folder contains its files a second time under a name that
    begins with dots. A link to a folder is not followed and is itself part of the list. ``on_error`` receives
    the error of each folder that cannot be read.
    """
    found, pending = list[Path](), [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        (pending if entry.is_dir(follow_symlinks=False) else found).append(Path(entry.path))
        except OSError as error:
            on_error(error)
    return sorted(found)


def read_head(file: Path, limit: int) -> bytes:
    """Return the first bytes of a file; raise OSError if it is not a regular file.

    A pipe, for example, might never end.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "This isn't a file.")
        return stream.read(limit)
