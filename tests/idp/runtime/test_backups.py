"""Backup and restore of the SQLite database, as an operator does them."""

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.idp.runtime.test_command_line import manage
from tests.modes.test_logs import serving


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was set up, with something sealed in it."""
    folder = tmp_path_factory.mktemp("installation") / "data"
    for words in (["setup"], ["keys", "rotate"]):
        assert manage(folder, *words).returncode == 0
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the installation, while nothing uses it."""
    return Path(shutil.copytree(prepared, tmp_path / "data"))


def count(database: Path) -> int:
    """How many events there are."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM events_event").fetchone()[0])


def test_there_and_back(folder: Path, tmp_path: Path) -> None:
    """The copy is whole and readable by its owner only.

    It is served after its restoration into an empty folder with the secret key beside it.
    """
    made = manage(folder, "backup", str(tmp_path / "copy"))
    assert made.returncode == 0, made.stderr
    assert f"the secret key, {folder}/secret.key" in made.stdout
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]
    key = (folder / "secret.key").read_text()
    assert key.encode() not in (tmp_path / "copy").read_bytes()

    elsewhere = tmp_path / "elsewhere"
    restored = manage(elsewhere, "restore", str(tmp_path / "copy"))
    assert (restored.returncode, "The secret key doesn't match this database" in restored.stderr) == (
        0,
        True,
    )
    assert stat.S_IMODE((elsewhere / "foyer.sqlite3").stat().st_mode) == 0o600
    assert manage(elsewhere, "setup").returncode == 1
    (elsewhere / "secret.key").write_text(key)
    assert manage(elsewhere, "setup").returncode == 0
    assert count(elsewhere / "foyer.sqlite3") == count(folder / "foyer.sqlite3")


def test_a_copy_under_traffic_is_whole_and_a_restore_is_refused(folder: Path, tmp_path: Path) -> None:
    """While the process serves and another one writes, the copy passes its check.

    A restore would replace the database under the process, and is refused.
    """
    (tmp_path / "run").mkdir()
    shutil.move(folder, tmp_path / "run" / "data")
    with serving(tmp_path / "run", FOYER_LOG="json") as (web, _said):
        for _ in range(5):
            requests.post(f"{web}/application/o/device/", data={"client_id": "demo-device"}, timeout=10)
        made = manage(tmp_path / "run" / "data", "backup", str(tmp_path / "copy"))
        refused = manage(tmp_path / "run" / "data", "restore", str(tmp_path / "copy"))
        assert requests.get(f"{web}/health/ready", timeout=10).status_code == 200
    assert made.returncode == 0, made.stderr
    assert (refused.returncode, "already running on" in refused.stderr) == (1, True)
    assert count(tmp_path / "copy") >= 5


Spoil = Callable[[Path], Any]


def _no_database(copy: Path) -> None:
    copy.write_text("no database " * 1000)


def _foreign_database(copy: Path) -> None:
    copy.unlink()
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")


def _damaged(copy: Path) -> None:
    """A database as a plain copy under traffic can be: an index lacks rows of its table."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = "
            "'django_migrations') WHERE name = 'events_event'"
        )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (Path.unlink, "File not found"),
        (_no_database, "can't be copied: file is not a database"),
        (_foreign_database, "isn't a Foyer database"),
        (_damaged, "is damaged: "),
    ],
)
def test_what_is_no_good_copy_is_not_restored(folder: Path, tmp_path: Path, spoil: Spoil, why: str) -> None:
    """Nothing is left behind, not even an empty database."""
    assert manage(folder, "backup", str(tmp_path / "copy")).returncode == 0
    spoil(tmp_path / "copy")
    ran = manage(tmp_path / "new", "restore", str(tmp_path / "copy"))
    assert (ran.returncode, why in ran.stderr) == (1, True), ran.stderr
    assert "Traceback" not in ran.stderr
    assert [path.name for path in (tmp_path / "new").glob("*") if path.name != "serving.lock"] == []


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    """Neither an older copy nor a database is overwritten.

    No journal of another database is left beside the restored one.
    """
    assert manage(folder, "backup", str(tmp_path / "copy")).returncode == 0
    before = (tmp_path / "copy").read_bytes()
    again = manage(folder, "backup", str(tmp_path / "copy"))
    assert (again.returncode, "won't be overwritten" in again.stderr) == (1, True)
    assert (tmp_path / "copy").read_bytes() == before
    over = manage(folder, "restore", str(tmp_path / "copy"))
    assert (over.returncode, f"Move {folder}/foyer.sqlite3" in over.stderr) == (1, True)
    (folder / "foyer.sqlite3").rename(folder / "old.sqlite3")
    (folder / "foyer.sqlite3-wal").write_bytes(b"of the old one")
    left = manage(folder, "restore", str(tmp_path / "copy"))
    assert (left.returncode, "foyer.sqlite3-wal" in left.stderr) == (1, True)
    assert not (folder / "foyer.sqlite3").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_postgresql_has_tools_of_its_own(tmp_path: Path, command: str) -> None:
    """One sentence names PostgreSQL's own tools; the command connects to nothing."""
    ran = manage(
        tmp_path,
        command,
        str(tmp_path / "copy"),
        DATABASE_URL="postgres://foyer@127.0.0.1:1/foyer",
        FOYER_SECRET_KEY="k" * 40,
    )
    assert (ran.returncode, "pg_dump" in ran.stderr, "Traceback" in ran.stderr) == (1, True, False)


def test_a_backup_without_an_installation(tmp_path: Path) -> None:
    """Says so and makes no file."""
    ran = manage(tmp_path / "data", "backup", str(tmp_path / "copy"))
    assert (ran.returncode, f"No database at {tmp_path}/data/foyer.sqlite3." in ran.stderr) == (
        1,
        True,
    )
    assert list(tmp_path.iterdir()) == []
