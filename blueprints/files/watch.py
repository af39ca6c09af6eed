"""Watch a folder of blueprints: apply what changed and store the results."""

import hashlib
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max

from blueprints.files.apply import PlanChanged, apply, record_failure
from blueprints.files.folders import is_blueprint, list_files, read_head
from blueprints.files.nodes import MAX_BYTES
from blueprints.files.problems import BadBlueprint
from blueprints.models import Result, Secret
from idp.foundation.sealing import mac
from idp.foundation.text import printable_line

FOLDER_ACTOR = "blueprint folder"
_TAG_NAMES = re.compile(rb"!(env|secret)\s+(?:\[\s*)?[\"']?([A-Za-z_][A-Za-z0-9_.-]{0,99})")

log = logging.getLogger(__name__)
_warned = set[tuple[str, ...]]()


@dataclass
class WatchedBlueprint:
    """One blueprint of the folder: a file, or a folder of files.

    ``failed`` holds the errors of the last attempt in this round.
    """

    path: Path
    digest: str
    last_result: Result | None
    errors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the blueprint, the same as when it is applied manually."""
        return printable_line(self.path.name if os.path.isdir(self.path) else self.path.stem)[:200]

    @property
    def is_pending(self) -> bool:
        """Whether the blueprint has not been tried in its current form."""
        known = self.last_result.edition if self.last_result else None
        return known != self.digest


def apply_changed() -> list[str]:
    """Apply what changed in the watched folder, sorted by name, and return the names of what was applied.

    A blueprint that failed is tried again once another one of this round has changed something, because it
    may depend on that. Any number of processes may do this at once. Applying is serialized, and a later
    process finds nothing to do.
    """
    if not settings.BLUEPRINTS:
        return []
    pending, applied, changed = _find_blueprints(Path(settings.BLUEPRINTS)), list[str](), True
    first_round = True
    while pending and changed:
        changed, failed = False, []
        for entry in pending:
            if first_round and not (entry.is_pending or (changed and not _succeeded(entry))):
                failed += [] if _succeeded(entry) else [entry]
                continue
            changed = _apply(entry) or changed
            if entry.errors:
                failed.append(entry)
            else:
                applied.append(entry.name)
        pending, first_round = failed, False
    for entry in pending:
        if entry.errors and os.path.lexists(entry.path):
            record_failure(entry.name, entry.digest, FOLDER_ACTOR, messages=entry.errors)
    return applied


def _succeeded(entry: WatchedBlueprint) -> bool:
    return entry.last_result is not None and entry.last_result.succeeded


def _apply(entry: WatchedBlueprint) -> bool:
    """Apply the blueprint and return whether anything changed."""
    if os.path.exists(entry.path) and not os.path.isdir(entry.path) and not os.path.isfile(entry.path):
        entry.errors = [f"{printable_line(str(entry.path))} is neither a file nor a folder."]
        return False
    try:
        plan = apply([entry.path], name=entry.name, by=FOLDER_ACTOR, source_digest=entry.digest)
    except BadBlueprint as bad:
        entry.errors = [str(problem) for problem in bad.problems]
    except PlanChanged as moved:
        entry.errors = [str(moved)]
    except Exception as error:  # one failure must not stop the others
        log.exception("blueprint failed", extra={"blueprint": entry.name})
        entry.errors = [f"{type(error).__name__}: see the log."]
    else:
        entry.errors = []
        return bool(plan.effective)
    return False


def _find_blueprints(folder: Path) -> list[WatchedBlueprint]:
    try:
        paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except OSError as error:
        _warn_once("no folder of blueprints", folder=str(folder), why=error.strerror)
        return []
    entries = [WatchedBlueprint(path, _digest(path, folder), None) for path in paths if _is_watched(path)]
    last = (
        Result.objects.filter(blueprint__in=[entry.name for entry in entries])
        .values("blueprint")
        .annotate(newest=Max("pk"))
    )
    results = {row.blueprint: row for row in Result.objects.filter(pk__in=[each["newest"] for each in last])}
    found: dict[str, WatchedBlueprint] = {}
    for entry in entries:
        entry.last_result = results.get(entry.name)
        if found.setdefault(entry.name, entry) is not entry:
            _warn_once("two blueprints with one name", blueprint=entry.name, left_out=entry.path.name)
    return list(found.values())


def _is_watched(path: Path) -> bool:
    """Return whether this path is a blueprint; other files and folders may be there for ``!file``."""
    unreadable: list[OSError] = []
    if is_blueprint(path) or (
        os.path.isdir(path) and (any(map(is_blueprint, list_files(path, unreadable.append))) or unreadable)
    ):
        return True
    _warn_once("no blueprint", left_out=path.name)
    return False


def _warn_once(event: str, **what: Any) -> None:
    """Log a warning once in the lifetime of this process, because it would repeat every ten seconds."""
    if (warning := (event, *map(str, what.values()))) not in _warned:
        _warned.add(warning)
        log.warning(event, extra={name: printable_line(str(value)) for name, value in what.items()})


def _digest(path: Path, folder: Path) -> str:
    """Return a digest of everything that the blueprint may read.

    This covers its files, the files beside them for ``!file``, and what its tags name.
    """
    hasher, references = hashlib.sha256(), set[tuple[str, str]]()
    for file in _files(path, folder):
        try:
            data, status = read_head(file, MAX_BYTES + 1), os.stat(file)
        except OSError as error:
            data, status = (error.strerror or "").encode(), None
        hasher.update(os.fsencode(file) + f"\0{len(data)}\0".encode() + data)
        if status and len(data) > MAX_BYTES:  # too large to be read
            hasher.update(f"{status.st_size} {status.st_mtime_ns}\0".encode())
        if is_blueprint(file):
            references |= {(kind.decode(), name.decode()) for kind, name in _TAG_NAMES.findall(data)}
    for kind, name in sorted(references):
        hasher.update(
            f"{kind} {name}\0{os.environ.get(name) if kind == 'env' else _file_secret(name)}\0".encode(
                errors="surrogateescape"
            )
        )
    secrets = sorted(name for kind, name in references if kind == "secret")
    if secrets:
        hasher.update(
            str(Secret.unscoped.filter(name__in=secrets).aggregate(newest=Max("set_at"))["newest"]).encode()
        )
    return hasher.hexdigest()


def _files(path: Path, folder: Path) -> list[Path]:
    """Return the files of a folder; for a single blueprint, itself and the files that are no blueprint.

    Paths that cannot be read count as files, too.
    """
    unreadable: list[Path] = []
    if os.path.isdir(path):
        found = list_files(path, lambda error: unreadable.append(Path(str(error.filename))))
    else:
        found = [path, *(file for file in list_files(folder, lambda error: None) if not is_blueprint(file))]
    return found + unreadable


def _file_secret(name: str) -> str:
    """Return keyed hashes of the secret's files, the shared one and those of tenants; "" if there is none.

    They change with the value, so that a new value is applied.
    """
    folder = Path(settings.SECRETS or "/nowhere")
    try:
        files = (
            [file for file in (folder / name, *sorted(folder.glob(f"*/{name}"))) if file.is_file()]
            if settings.SECRETS
            else []
        )
        return " ".join(
            mac("blueprint.watch", f"{file}\0{file.read_text(encoding='utf-8')}") for file in files
        )
    except (OSError, ValueError):
        return "unreadable"
