"""A stranger's tool drives the API from nothing but its OpenAPI document: no 5xx, and no answer that is not described."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.kit import LiveServer
from web.api.app import written

Tool = Callable[..., tuple[int, str]]
PROGRAM = Path(sys.executable).parent / "schemathesis"
OPTIONS = ["--checks", "all", "--max-examples", "40", "--seed", "4", "--generation-database", "none", "--continue-on-failure", "--no-color"]


@pytest.fixture
def tool(live: LiveServer, settings: Any, tmp_path: Path) -> Tool:
    """Runs it over some operations, with a run of acme that waits for a name; answers its exit code and its words."""
    settings.RUNS_PER_ADDRESS = 100_000  # every case comes from one address
    server = f"http://127.0.0.1:{live.port}"
    begun = requests.post(f"{server}/api/runs/", json={"for": "device_code"}, headers={"Host": "acme.test"}, timeout=10).json()

    def run(document: str, *operations: str) -> tuple[int, str]:
        (tmp_path / "openapi.json").write_text(document)
        (tmp_path / "schemathesis.toml").write_text(f'[parameters]\n"path.run" = "{begun["run"]}"\n')
        headers = ["-H", "Host: acme.test", "-H", f"Authorization: Run {begun['secret']}"]
        chosen = [word for name in operations for word in ("--include-operation-id", name)]
        command = [PROGRAM, "run", "openapi.json", "--url", server, *chosen, *OPTIONS, *headers]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
        return ran.returncode, ran.stdout

    return run


@pytest.mark.slow
@pytest.mark.parametrize("operations", [("begin", "look", "answer"), ("restart",)])
def test_nothing_but_what_is_described(tool: Tool, operations: tuple[str, ...]) -> None:
    """Status, headers, content type and members as declared; what the schema forbids is refused, and nothing works without the secret."""
    code, words = tool(written(), *operations)
    assert code == 0, words[-6000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", words)
    assert cases, words[-1000:]
    assert cases[1] == cases[2]
    assert int(cases[1]) > 30 * len(operations)


@pytest.mark.slow
def test_the_tool_would_notice(tool: Tool) -> None:
    """Where the document leaves answers out, the same run finds them: it does get through to the good ones and the bad."""
    document = json.loads(written())
    left_out = {"begin": ["201", "400"], "look": ["200", "401"], "answer": ["200", "415"]}
    for methods in document["paths"].values():
        for described in methods.values():
            for status in left_out.get(described["operationId"], []):
                del described["responses"][status]
    code, words = tool(json.dumps(document), *left_out)
    assert code == 1
    assert {status for status in ("200", "201", "400", "401") if f"Received: {status}" in words} == {"200", "201", "400", "401"}, words
