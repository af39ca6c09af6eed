"""The embedded mode is one process: a second one on the same data folder is turned away."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as settings_of_the_tests
from django.core.management import CommandError, call_command
from pytest_django import Settings

from idp.runtime import embedded

pytestmark = pytest.mark.both_modes  # they select the mode


@pytest.mark.parametrize("command", ["up", "web"])
def test_a_second_process_is_turned_away(settings: Settings, tmp_path: Path, command: str) -> None:
    """Before it has changed anything; the line says what to do."""
    settings.EMBEDDED, settings.DATA = True, tmp_path / "data"
    with (
        embedded.exclusive_lock(),
        pytest.raises(CommandError, match=r"already running on .*FOYER_DATA.*REDIS_URL"),
    ):
        call_command(command)
    assert [path.name for path in settings.DATA.iterdir()] == ["serving.lock"]


def test_the_lock_ends_with_its_process(settings: Settings, tmp_path: Path) -> None:
    """However the process ended, a lock file that was left behind locks no one out."""
    settings.EMBEDDED, settings.DATA = True, tmp_path
    held = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", held, str(tmp_path / "serving.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(CommandError):
            embedded.require_single_process()
        other.kill()
    embedded.require_single_process()


def test_a_folder_that_cannot_be_written_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    """Which folder, why, and which variable; as on a file system that is mounted read-only."""
    (tmp_path / "file").touch()
    settings.EMBEDDED, settings.DATA = True, tmp_path / "file" / "data"
    with pytest.raises(CommandError, match=r"file/data isn't writable \(.*\)\. .*FOYER_DATA"):
        embedded.require_single_process()


def test_many_processes_are_welcome_elsewhere(settings: Settings, tmp_path: Path) -> None:
    """With Redis between them no process locks the folder."""
    settings.EMBEDDED, settings.DATA = False, tmp_path
    embedded.require_single_process()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["manage.py", "web"],
        ["-m", "celery", "-A", "idp.celery", "worker"],
        ["-m", "celery", "-A", "idp.celery", "beat"],
    ],
)
def test_a_bad_mix_stops_every_process(tmp_path: Path, words: list[str]) -> None:
    """With Redis and without PostgreSQL no web process, no worker and no beat begins.

    Each says which variable fixes it.
    """
    environment = {"PATH": "/usr/bin:/bin", "FOYER_DATA": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1/0"}
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=settings_of_the_tests.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "(foyer.E010)" in ended.stderr
    assert "Set DATABASE_URL to a PostgreSQL database, or unset REDIS_URL." in ended.stderr
