"""The files of an installation: fixed modes under any umask, and only our own files are narrowed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.runtime import files


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of the process, for one test."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_new_folder_has_its_mode_and_an_old_one_keeps_it(umask: None, tmp_path: Path) -> None:
    """The throw-away servers enter the folder of ``cluster``; no other user enters another one."""
    files.make_folder(tmp_path / "new" / "data")
    files.make_folder(tmp_path / "cluster", 0o711)
    assert (mode(tmp_path / "new" / "data"), mode(tmp_path / "cluster")) == (0o700, 0o711)
    files.make_folder(tmp_path / "cluster")
    assert mode(tmp_path / "cluster") == 0o711


def test_a_database_is_for_its_owner_only(umask: None, tmp_path: Path) -> None:
    """A new one, and an old one with its journals."""
    files.prepare_database(tmp_path / "new.sqlite3")
    assert mode(tmp_path / "new.sqlite3") == 0o600
    old = [tmp_path / name for name in ("old.sqlite3", "old.sqlite3-wal", "old.sqlite3-shm")]
    for file in old:
        file.write_text("")
        file.chmod(0o644)
    files.prepare_database(old[0])
    assert [mode(file) for file in old] == [0o600] * 3
