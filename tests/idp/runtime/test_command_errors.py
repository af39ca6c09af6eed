"""What commands print where something outside the program is wrong: one sentence, and exit 1.

A command that only reads creates nothing.
"""

import errno
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, ProgrammingError
from redis.exceptions import ConnectionError

from idp.foundation.sealing import Unsealable
from idp.runtime.command_errors import describe_error
from tests.idp.runtime.test_command_line import manage

SAID = [
    (OperationalError("database is locked"), "Another process is writing to it. Try again"),
    (
        OperationalError("attempt to write a readonly database"),
        "This user has no write permission for the file or its folder.",
    ),
    (OperationalError("database or disk is full"), "Free some space"),
    (
        OperationalError("no such table: flows_flow"),
        "The database lacks tables or columns (no such table: flows_flow). Run manage.py setup.",
    ),
    (OperationalError("no such column: flows_flow.new"), "Run manage.py setup."),
    (ProgrammingError('invalid connection option "x"'), "DATABASE_URL has an option after its ?"),
    (
        OperationalError("connection failed:\n  refused\n"),
        "can't be used: connection failed: refused. Is PostgreSQL running",
    ),
    (
        ConnectionError("Error 111 connecting to 127.0.0.1:1"),
        "Redis can't be used: Error 111 connecting to 127.0.0.1:1. Is it running",
    ),
    (
        OSError(errno.EACCES, "Permission denied", "/closed/file"),
        "/closed/file can't be used: Permission denied.",
    ),
    (OSError("no more words"), "A file or connection can't be used: no more words."),
    (EOFError(), "The input ended before anything was entered."),
    (Unsealable(), "FOYER_SECRET_KEY"),
]


@pytest.mark.both_modes
@pytest.mark.parametrize(("error", "said"), SAID, ids=lambda each: str(each)[:30])
def test_a_sentence_says_what_to_do(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any message of a library becomes one line that ends like a sentence."""
    (tmp_path / "there.sqlite3").touch()
    monkeypatch.setattr(settings, "SQLITE", tmp_path / "there.sqlite3")
    shown = describe_error(error)
    assert said in shown
    assert "\n" not in shown
    assert shown.endswith((".", "?"))
    assert ".." not in shown


READING = [
    ["blueprint", "plan", "blueprints/default/10-tenant.yaml"],
    ["blueprint", "drift"],
    ["blueprint", "export"],
    ["blueprint", "results"],
    ["flow", "list"],
    ["flow", "show", "sign-in"],
    ["flow", "versions", "sign-in"],
    ["flow", "diff", "sign-in"],
    ["flow", "simulate", "sign-in"],
    ["flow", "test"],
    ["flow", "funnel", "sign-in"],
    ["flow", "inspect", "x"],
    ["secret", "list"],
    ["events", "export"],
    ["check", "--database", "default"],
]
WRITING = [
    ["blueprint", "apply", "blueprints/default/10-tenant.yaml"],
    ["flow", "draft", "blueprints/default/10-tenant.yaml"],
    ["flow", "discard", "sign-in"],
    ["flow", "publish", "sign-in"],
    ["flow", "rollback", "sign-in", "1"],
    ["secret", "remove", "x"],
    ["person", "recovery-link", "admin"],
    ["person", "forget-factors", "admin"],
    ["keys", "rotate"],
    ["keys", "reencrypt"],
    ["keys", "lost"],
    ["seed", "--people", "10"],
]
SERVING = [["setup"], ["web"], ["up"]]


def missing(folder: Path) -> dict[str, str]:
    """FOYER_DATA names nothing."""
    return {"FOYER_DATA": str(folder / "nowhere")}


def behind(folder: Path) -> dict[str, str]:
    """A database without any table of this version."""
    with closing(sqlite3.connect(folder / "foyer.sqlite3")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE old (id INTEGER)")
    return {}


def damaged(folder: Path) -> dict[str, str]:
    """A file that is no database."""
    (folder / "foyer.sqlite3").write_text("no database " * 1000)
    return {}


def a_folder(folder: Path) -> dict[str, str]:
    """A folder where the file belongs."""
    (folder / "foyer.sqlite3").mkdir()
    return {}


def away(folder: Path) -> dict[str, str]:
    """PostgreSQL does not run."""
    return {"DATABASE_URL": "postgres://foyer@127.0.0.1:1/foyer"}


Situation = Callable[[Path], dict[str, str]]
SAYS: dict[Situation, str] = {
    missing: "No installation at ",
    behind: "Run manage.py setup.",
    damaged: "file is not a database",
    a_folder: "is a folder",
    away: "Is PostgreSQL running",
}
# each command once: all of them fail in the same place
CASES = [*zip(cycle(SAYS), [*READING, *WRITING], strict=False)]
# modes/test_start.py
CASES += [(damaged, words) for words in SERVING] + [(away, words) for words in SERVING if words != ["web"]]
SAMPLE = [
    (missing, ["flow", "test"]),
    (behind, ["secret", "list"]),
    (damaged, ["web"]),
    (a_folder, ["events", "export"]),
    (away, ["flow", "list"]),
]


def assert_one_sentence(situation: Situation, words: list[str], tmp_path: Path) -> None:
    """Assert one sentence, exit 1, and unchanged files."""
    environment = situation(tmp_path)
    before = sorted((path.name, path.stat().st_mode, path.stat().st_size) for path in tmp_path.iterdir())
    ran = manage(tmp_path, *words, **environment)
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    assert SAYS[situation] in ran.stderr
    if words not in SERVING:
        assert SAYS[situation] in ran.stderr.splitlines()[-1]
        after = sorted((path.name, path.stat().st_mode, path.stat().st_size) for path in tmp_path.iterdir())
        assert [each for each in after if not each[0].endswith(("-wal", "-shm"))] == before


def named(each: Any) -> str:
    """For the list of tests."""
    return " ".join(each) if isinstance(each, list) else each.__name__


@pytest.mark.parametrize(("situation", "words"), SAMPLE, ids=named)
def test_a_command_without_its_database(situation: Situation, words: list[str], tmp_path: Path) -> None:
    """A few of those below, in each situation."""
    assert_one_sentence(situation, words, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("situation", "words"), CASES, ids=named)
def test_every_command_without_its_database(situation: Situation, words: list[str], tmp_path: Path) -> None:
    """Every command, and every situation."""
    assert_one_sentence(situation, words, tmp_path)


def test_a_folder_in_place_of_the_database_keeps_its_mode(tmp_path: Path) -> None:
    """It belongs to another program: setup closes a database to others, but no folder."""
    (tmp_path / "shared").mkdir(mode=0o755)
    ran = manage(tmp_path, "setup", DATABASE_URL=f"sqlite:///{tmp_path}/shared")
    assert (ran.returncode, ran.stderr) == (1, f"Foyer: {tmp_path}/shared can't be used: Is a directory.\n")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_errors_are_json_where_json_was_asked_for(tmp_path: Path) -> None:
    """Errors of the environment have no place; the exit code is the same, and standard error is empty."""
    ran = manage(tmp_path, "blueprint", "drift", "--json")
    assert (ran.returncode, ran.stderr) == (1, "")
    (error,) = json.loads(ran.stdout)["errors"]
    assert "No installation" in error.pop("message")
    assert error == {"file": None, "line": None, "column": None, "key": None}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything in it."""
    folder = tmp_path_factory.mktemp("installation")
    ran = manage(folder, "setup")
    assert ran.returncode == 0, ran.stderr
    return folder


def test_places_in_files_are_json_too(installation: Path, tmp_path: Path) -> None:
    """All problems at once, each with file, line, column and key."""
    (tmp_path / "a.yaml").write_text("group: a\ntitel: A\n---\ngrup: b\n")
    for action in ("plan", "apply"):
        ran = manage(installation, "blueprint", action, str(tmp_path / "a.yaml"), "--json")
        assert (ran.returncode, ran.stderr) == (1, "")
        errors = json.loads(ran.stdout)["errors"]
        assert [(each["line"], each["column"], each["key"]) for each in errors] == [
            (2, 1, "titel"),
            (4, 1, "grup"),
        ]
        assert {each["file"] for each in errors} == {str(tmp_path / "a.yaml")}
    ran = manage(installation, "blueprint", "drift", "--json", "--tenant", "nowhere")
    assert json.loads(ran.stdout)["errors"][0]["message"] == "There is no tenant nowhere. There are: default."


@pytest.mark.parametrize(
    ("redirected", "said"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor"), ("| true", "")],
)
def test_output_that_cannot_be_written(installation: Path, redirected: str, said: str) -> None:
    """A full disk, a closed stream, or a reader that went away: exit 1 and one sentence.

    The interpreter prints nothing after it.
    """
    line = f'set -o pipefail; "$0" manage.py blueprint schema {redirected}'
    ran = shell(line, installation)
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    if said:
        assert ran.stderr == f"Foyer: Standard output can't be used: {said}.\n"
        assert ran.returncode == 1


def test_without_standard_error(installation: Path) -> None:
    """Standard output is written, and the exit code is right."""
    ran = shell(
        '"$0" manage.py flow list 2>&-; "$0" manage.py flow list --tenant x 2>&-; echo $?', installation
    )
    assert ran.stdout.startswith("flow ")
    assert ran.stdout.endswith("\n1\n")


def test_a_terminal_that_reads_no_unicode(installation: Path) -> None:
    """Output is UTF-8 under any locale: files and pipes hold the same everywhere."""
    ran = manage(installation, "flow", "versions", "sign-in", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    shown = manage(installation, "flow", "diff", "sign-in", "1", "2", PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (1, "sign-in has no version 2. Available versions: 1.\n")


@pytest.mark.slow
def test_a_locked_database(installation: Path) -> None:
    """Only a command that writes waits, and its message names what locks the database."""
    with sqlite3.connect(installation / "foyer.sqlite3", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert manage(installation, "flow", "list").returncode == 0
        ran = manage(installation, "secret", "remove", "x")
        holder.execute("ROLLBACK")
    assert ran.returncode == 1
    assert "database is locked. Another process is writing to it. Try again later." in ran.stderr


def test_interrupted_by_the_keyboard(tmp_path: Path) -> None:
    """130, as shells name it, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "manage.py", "device", "--url", url]
        environment = {"PATH": os.environ["PATH"], "FOYER_DATA": str(tmp_path)}
        with subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            # a shell starts what it runs in the background with the signal ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509  no threads
        ) as running:
            connection, _ = silent.accept()
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=60)
            connection.close()
    assert (running.returncode, said) == (130, "\nFoyer: interrupted\n")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line for bash, in which $0 is the interpreter."""
    environment = {"PATH": os.environ["PATH"], "FOYER_DATA": str(folder), "FOYER_LOG": "json"}
    command = ["bash", "-c", line, sys.executable]
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
