"""A folder of blueprints that is looked at again and again: what changed is applied, and what became of it is kept."""

import hashlib
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import Max

from blueprints.apply import StateMoved, apply, note_failure
from blueprints.models import Result, Secret
from blueprints.read import BadBlueprint
from idp.sealing import mac

BY = "blueprint folder"
_NAMED = re.compile(rb"!(env|secret)\s+(?:\[\s*)?[\"']?([A-Za-z_][A-Za-z0-9_.-]{0,99})")

log = logging.getLogger(__name__)


@dataclass
class Entry:
    """One blueprint of the folder: a file, or a folder of files. ``failed``: what was wrong in this round."""

    path: Path
    edition: str
    before: Result | None
    failed: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called, by hand too."""
        return self.path.stem if self.path.is_file() else self.path.name

    @property
    def waits(self) -> bool:
        """Whether it has not been tried as it is now."""
        return self.before is None or self.before.edition != self.edition


def look() -> list[str]:
    """Applies what changed in the watched folder, in the order of names; answers the names of what was applied.

    One that failed is tried again once another one of this round has changed something, because it may have waited for that.
    Any number of processes may look at once: applying takes turns, and who comes second finds nothing to do.
    """
    if not settings.BLUEPRINTS:
        return []
    waiting, applied, moved = _entries(Path(settings.BLUEPRINTS)), list[str](), True
    first = True
    while waiting and moved:
        moved, left = False, []
        for entry in waiting:
            if first and not (entry.waits or (moved and not _succeeded(entry))):
                left += [] if _succeeded(entry) else [entry]
                continue
            moved = _try(entry) or moved
            if entry.failed:
                left.append(entry)
            else:
                applied.append(entry.name)
        waiting, first = left, False
    for entry in waiting:
        if entry.failed:
            note_failure(entry.name, entry.edition, BY, messages=entry.failed)
    return applied


def _succeeded(entry: Entry) -> bool:
    return entry.before is not None and entry.before.succeeded


def _try(entry: Entry) -> bool:
    """Applies it; answers whether anything changed."""
    try:
        plan = apply([entry.path], name=entry.name, by=BY, edition=entry.edition)
    except BadBlueprint as bad:
        entry.failed = [str(problem) for problem in bad.problems]
    except StateMoved as moved:
        entry.failed = [str(moved)]
    except Exception as error:  # the others have their turn all the same
        log.exception("blueprint failed", extra={"blueprint": entry.name})
        entry.failed = [f"{type(error).__name__}: see the log."]
    else:
        entry.failed = []
        return bool(plan.effective)
    return False


def _entries(folder: Path) -> list[Entry]:
    if not folder.is_dir():
        log.warning("no folder of blueprints", extra={"folder": str(folder)})
        return []
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and (path.is_dir() or path.suffix == ".yaml")]
    entries = [Entry(path, _digest(path, folder), None) for path in paths]
    last = Result.objects.filter(blueprint__in=[entry.name for entry in entries]).values("blueprint").annotate(newest=Max("pk"))
    results = {row.blueprint: row for row in Result.objects.filter(pk__in=[each["newest"] for each in last])}
    found: dict[str, Entry] = {}
    for entry in entries:
        entry.before = results.get(entry.name)
        if found.setdefault(entry.name, entry) is not entry:
            log.warning("two blueprints with one name", extra={"blueprint": entry.name, "left_out": entry.path.name})
    return list(found.values())


def _digest(path: Path, folder: Path) -> str:
    """Of all that it may read: its files, what lies beside them for ``!file``, and what its tags name."""
    files = sorted(_files(path if path.is_dir() else folder, path))
    told, named = hashlib.sha256(), set[tuple[str, str]]()
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            data = (error.strerror or "").encode()
        told.update(f"{file}\0{len(data)}\0".encode() + data)
        if file.suffix == ".yaml":
            named |= {(kind.decode(), name.decode()) for kind, name in _NAMED.findall(data)}
    for kind, name in sorted(named):
        told.update(f"{kind} {name}\0{os.environ.get(name) if kind == 'env' else _file_secret(name)}\0".encode())
    secrets = sorted(name for kind, name in named if kind == "secret")
    if secrets:
        told.update(str(Secret.unscoped.filter(name__in=secrets).aggregate(newest=Max("set_at"))["newest"]).encode())
    return told.hexdigest()


def _files(within: Path, path: Path) -> Iterable[Path]:
    """A folder's files; of a single blueprint itself and whatever is no blueprint of its own."""
    for file in within.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(within).parts)
        if not hidden and file.is_file() and (path.is_dir() or file == path or file.suffix != ".yaml"):
            yield file


def _file_secret(name: str) -> str:
    """Keyed hashes of the secret's files, the shared one and those of tenants, so that a new value is applied; "" without a file."""
    folder = Path(settings.SECRETS or "/nowhere")
    try:
        files = [file for file in (folder / name, *sorted(folder.glob(f"*/{name}"))) if file.is_file()] if settings.SECRETS else []
        return " ".join(mac("blueprint.watch", f"{file}\0{file.read_text(encoding='utf-8')}") for file in files)
    except (OSError, ValueError):
        return "unreadable"
