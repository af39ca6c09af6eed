"""The commands as a new user runs them.

``manage.py device`` runs against the server, and ``manage.py up`` on an empty folder.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from django.conf import settings

from blueprints.files.apply import apply
from tests.journeys.browser import NewPerson
from tests.support.client import LiveServer

pytestmark = pytest.mark.both_modes

FASTER = """
tenant: default
---
person: alice
name: Alice
email: alice@foyer.test
password: alice-password-1
---
application: demo-device
device: {interval: 1s}
"""


class Command:
    """A ``manage.py`` process whose output is read as it comes."""

    def __init__(self, *words: str, **environment: str) -> None:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FOYER_", "DJANGO_", "PYTEST_", "COV_"))
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=settings.BASE_DIR,
            env=clean | environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        pairs = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self.readers = [
            Thread(target=lambda pipe=pipe, lines=lines: lines.extend(pipe), daemon=True)
            for pipe, lines in pairs
        ]
        for reader in self.readers:
            reader.start()

    def wait_for(self, what: Callable[[], Any], seconds: float = 30) -> Any:
        """Return the first truthy result of ``what``; fail with what was printed."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.02)
        return found

    def end(self, seconds: float = 10) -> int:
        """Wait for the end, and for the last line."""
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join(5)
        return code

    @property
    def said(self) -> str:
        """Return both streams."""
        return "".join(self.out + self.err)


@pytest.fixture
def run() -> Iterator[Callable[..., Command]]:
    """Yield a function that starts commands, and end them with the test."""
    started: list[Command] = []

    def start(*words: str, **environment: str) -> Command:
        started.append(Command(*words, **environment))
        return started[-1]

    yield start
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
        command.end()
        for pipe in (command.process.stdout, command.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def shipped(live: LiveServer, write_blueprint: Callable[..., Path]) -> None:
    """Set up what the first start sets up for this machine's own names, and a person."""
    apply(sorted((Path(settings.BASE_DIR) / "blueprints" / "default").glob("*.yaml")))
    apply([write_blueprint(FASTER)])


def test_a_device_in_the_terminal(
    live: LiveServer,
    shipped: None,
    new_person: NewPerson,
    run: Callable[..., Command],
    tmp_path: Path,
) -> None:
    """D4, D5, D21: README's journey shows code, QR code and both URLs, waits, and prints the claims."""
    command = run("device", "--url", live.url("127.0.0.1"), "--name", "My terminal", FOYER_DATA=str(tmp_path))
    code = command.wait_for(lambda: re.search(r"^ +([A-Z]{4}-[A-Z]{4})$", command.said, re.MULTILINE))[1]
    command.wait_for(lambda: "Waiting up to 10 minutes" in command.said)
    assert f"Open {live.url('127.0.0.1', '/device')} " in command.said
    assert f"{live.url('127.0.0.1', '/device')}?user_code={code}" in command.said
    assert "█" in command.said or "▀" in command.said
    person = new_person("127.0.0.1")
    person.at_consent(code)
    person.reads("Demo device", "My terminal", "Python-urllib")
    person.press("Approve")
    assert command.end() == 0, command.said
    assert command.err == []
    claims = json.loads(command.said.split("Connected.")[1])
    assert (claims["preferred_username"], claims["email"]) == ("alice", "alice@foyer.test")


def test_a_refused_device_in_the_terminal(
    live: LiveServer,
    shipped: None,
    new_person: NewPerson,
    run: Callable[..., Command],
    tmp_path: Path,
) -> None:
    """D12: it says what happened, on one line and without a traceback, and exits with an error."""
    command = run("device", "--url", live.url("127.0.0.1"), FOYER_DATA=str(tmp_path))
    code = command.wait_for(lambda: re.search(r"^ +([A-Z]{4}-[A-Z]{4})$", command.said, re.MULTILINE))[1]
    person = new_person("127.0.0.1")
    person.at_consent(code)
    person.press("Deny")
    assert command.end() == 1
    assert "access_denied" in "".join(command.err)
    assert "Traceback" not in command.said


@pytest.mark.slow
def test_up_on_an_empty_folder(
    run: Callable[..., Command], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The first start prints the administrator's password, and the next one does not.

    Both print the URL, and Ctrl-C ends both cleanly.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    said = []
    for turn in ("first", "second"):
        begun = time.monotonic()
        command = run("up", FOYER_DATA=str(tmp_path / "data"), PORT=port)
        answer = command.wait_for(lambda: _start_device(port))
        record_property(f"seconds_to_first_answer_{turn}", round(time.monotonic() - begun, 2))
        assert answer["verification_uri"] == f"http://127.0.0.1:{port}/device"
        command.process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert command.end() == 0, command.said
        assert time.monotonic() - begun < 5
        assert "Traceback" not in command.said
        said.append(command)
    first, second = ([line for line in command.err if not line.startswith("{")] for command in said)
    assert len(first) == 3, first
    assert re.fullmatch(
        r"The first administrator is admin with the password \S{12,} \(shown only now\)\n", first[0]
    )
    assert second == first[1:]
    assert second[0] == (
        f"Emails are saved in {tmp_path / 'data' / 'mails'} and not sent, because FOYER_SMTP_URL isn't set\n"
    )
    assert f"http://localhost:{port}/" in second[1]
    assert [command.out for command in said] == [[], []]


def _start_device(port: str) -> dict[str, Any] | None:
    """Return the response of the device endpoint, once there is one."""
    try:
        form = {"client_id": "demo-device", "scope": "openid"}
        response = requests.post(
            f"http://127.0.0.1:{port}/application/o/device/", data=form, timeout=5, proxies={"http": ""}
        )
    except requests.ConnectionError:
        return None
    assert response.status_code == 200, response.text
    return dict(response.json())
