"""``manage.py up`` delivers the mail that another command put into the outbox."""

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.journeys.test_commands import Command, run

__all__ = ["run"]  # the fixture
PERSON = "tenant: default\n---\nperson: admin\nemail: admin@foyer.test\n"


@pytest.mark.slow
def test_a_recovery_link_by_mail_on_a_bare_machine(
    run: Callable[..., Command], write_blueprint: Callable[..., Path], tmp_path: Path
) -> None:
    """Without a mail server it becomes a file, which the log names without its contents.

    Its link opens the page.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    there = {"FOYER_DATA": str(tmp_path / "data"), "PORT": port}
    serving = run("up", FOYER_LOG="json", **there)
    serving.wait_for(lambda: "Foyer is running at" in serving.said)
    for words in (
        ("blueprint", "apply", str(write_blueprint(PERSON))),
        ("person", "recovery-link", "admin", "--mail"),
    ):
        command = run(*words, **there)
        assert command.end(30) == 0, command.said
    assert command.out == ["Sending a link to admin@foyer.test.\n"]
    mails = tmp_path / "data" / "mails"
    (path,) = serving.wait_for(lambda: list(mails.glob("*.eml")))
    logged = serving.wait_for(lambda: [line for line in serving.err if "mail.written" in line])
    assert json.loads(logged[0])["file"] == str(path)
    found = re.search(rf"^http://localhost:{port}/recover/(\S+)$", path.read_text(), re.MULTILINE)
    assert found, path.read_text()
    response = requests.get(found[0].replace("localhost", "127.0.0.1"), timeout=5, proxies={"http": ""})
    assert response.status_code == 200
    assert found[1] not in serving.said + command.said
