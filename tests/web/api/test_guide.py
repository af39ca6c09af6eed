"""The program of docs/json.md connects a device, and its responses are those of the API."""

import builtins
import getpass
import json
import re
from typing import Any

import httpx
import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from tests.support.client import Doors, LiveServer
from tests.support.flows import device_state
from web.api.app import document

GUIDE = (settings.BASE_DIR / "docs" / "json.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks in this language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_program_connects_a_device(
    live: LiveServer, door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program of the guide works unchanged, with a person who mistypes the password once.

    The code is filled in from the beginning.
    """
    (program,) = blocks("python")
    assert program.count("\n") <= 22
    started = door().start()
    passwords = iter(["wrong", "alice-password-1"])
    typed = {"Username": "alice", "Code": "", "Decision": "approve"}
    monkeypatch.setattr(getpass, "getpass", lambda words: next(passwords))
    monkeypatch.setattr(builtins, "input", lambda words: typed[words.split()[0]])
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 our own guide
    with httpx.Client(base_url=f"http://127.0.0.1:{live.port}", headers={"Host": "acme.test"}) as http:
        assert names["connect"](http, started.user_code) == "Approved – return to your device"
    assert device_state(started) == "approved"


def test_its_answers_are_described() -> None:
    """Every response in the guide has exactly the members of the OpenAPI document."""
    shown = [block.split("\n\n", 1) for block in blocks("http") if block.startswith("HTTP")]
    assert len(shown) == 5
    described = json.loads(json.dumps(document()))["components"]["schemas"]
    closed = {name: schema | {"additionalProperties": False} for name, schema in described.items()}
    for head, body in shown:
        name = {"201": "StartedRun", "200": "Challenge", "400": "ApiError"}[head.split()[1]]
        validator = Draft202012Validator(
            {"components": {"schemas": closed}, "$ref": f"#/components/schemas/{name}"}
        )
        assert [error.message for error in validator.iter_errors(json.loads(body))] == []
