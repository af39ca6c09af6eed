"""Which files of a folder are blueprints, and what is in a file: however odd a folder is, looking into it
ends.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

SUFFIXES = (".yaml", ".yml")


def is_blueprint(path: Path) -> bool:
    """Return whether a file of this name is read."""
    return path.suffix.lower() in SUFFIXES


def below(folder: Path, failed: Callable[[OSError], object]) -> list[Path]:
    """Return all that lies below ``folder`` but folders and what is hidden, in the order of names.

    A mounted folder holds its files a second time under a name that begins with dots. A link to a folder is
    not followed, and is in the list itself. ``failed`` hears of each folder that cannot be read.
    """
    found, waiting = list[Path](), [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        (waiting if entry.is_dir(follow_symlinks=False) else found).append(Path(entry.path))
        except OSError as error:
            failed(error)
    return sorted(found)


def head(file: Path, most: int) -> bytes:
    """Return the first bytes of a file; raise OSError for whatever is none, such as a pipe, which might never
    end.
    """
    opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as stream:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(0, "This isn't a file.")
        return stream.read(most)
