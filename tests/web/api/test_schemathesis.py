"""A third-party tool drives the API from its OpenAPI document: no 5xx and no undeclared response."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from django.apps import apps

from blueprints.files import secrets
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.foundation.sealing import new_token
from idp.oauth.models import TokenFamily
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import LiveServer
from tests.support.oauth import connect
from tests.web.api.conftest import BOTH, mint
from web.api.app import document, render_document

Tool = Callable[..., tuple[int, str]]
PROGRAM = Path(sys.executable).parent / "schemathesis"
OPTIONS = [
    "--checks",
    "all",
    "--max-examples",
    "40",
    "--seed",
    "4",
    "--generation-database",
    "none",
    "--continue-on-failure",
    "--no-color",
]


@pytest.fixture
def tool(live: LiveServer, settings: Any, tmp_path: Path) -> Tool:
    """Return a function that runs the tool over some operations and returns its exit code and output.

    It has a run of acme that waits for a name.
    """
    settings.RUNS_PER_ADDRESS = 100_000  # every case comes from one address
    server = f"http://127.0.0.1:{live.port}"
    begun = requests.post(
        f"{server}/api/runs/", json={"for": "device_code"}, headers={"Host": "acme.test"}, timeout=10
    ).json()

    def run(document: str, *operations: str) -> tuple[int, str]:
        (tmp_path / "openapi.json").write_text(document)
        (tmp_path / "schemathesis.toml").write_text(f'[parameters]\n"path.run" = "{begun["run"]}"\n')
        headers = ["-H", "Host: acme.test", "-H", f"Authorization: Run {begun['secret']}"]
        chosen = [word for name in operations for word in ("--include-operation-id", name)]
        command: list[str | Path] = [
            PROGRAM,
            "run",
            "openapi.json",
            "--url",
            server,
            *chosen,
            *OPTIONS,
            *headers,
        ]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
        return ran.returncode, ran.stdout

    return run


@pytest.mark.slow
@pytest.mark.parametrize("operations", [("start_run", "get_run", "answer_step"), ("restart_run",)])
def test_nothing_but_what_is_described(tool: Tool, operations: tuple[str, ...]) -> None:
    """Status, headers, content type and members are as declared.

    The API refuses what the schema forbids, and nothing works without the secret.
    """
    code, words = tool(render_document(), *operations)
    assert code == 0, words[-6000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", words)
    assert cases, words[-1000:]
    assert cases[1] == cases[2]
    assert int(cases[1]) > 30 * len(operations)


@pytest.mark.slow
def test_the_tool_would_notice(tool: Tool) -> None:
    """With responses removed from the document, the same run reports them.

    The tool does reach both the successful responses and the errors.
    """
    document = json.loads(render_document())
    left_out = {"start_run": ["201", "400"], "get_run": ["200", "401"], "answer_step": ["200", "415"]}
    for methods in document["paths"].values():
        for described in methods.values():
            for status in left_out.get(described["operationId"], []):
                del described["responses"][status]
    code, words = tool(json.dumps(document), *left_out)
    assert code == 1
    assert {status for status in ("200", "201", "400", "401") if f"Received: {status}" in words} == {
        "200",
        "201",
        "400",
        "401",
    }, words


SECONDS = int(os.environ.get("FOYER_FUZZ_SECONDS", "300"))
STORED = re.compile(
    r"secret|password|token_hash|code_hash|key_hash|private_key|nonce_hash|sealed|^value$|^data$|^mac$"
)
THERE = {
    "people": "clerk",
    "groups": "guests",
    "scopes": "acme:read",
    "applications": "kiosk",
    "mails": "recovery",
    "flows": "connect-a-device",
    "recipes": "tv",
    "blueprint-secrets": "shop.client",
}
# these would revoke the token or change the host; the test above covers the runs
OURS = [*(["rotate_key", "update_branding"]), "start_run", "get_run", "answer_step", "restart_run"]
REFUSED = "[400, 401, 403, 404, 405, 409, 412, 413, 415, 428]"
CONFIGURATION = f"""
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, {REFUSED[1:]}
[checks.negative_data_rejection]
expected-statuses = {REFUSED}
"""


def stored_secrets() -> list[str]:
    """Return the secrets of both tenants in the database, as the fields store them and decrypted."""
    found: set[str] = set()
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            sealed = type(field).__name__ == "SealedField"
            if sealed or (STORED.search(field.name) and model is not Event):
                rows = getattr(model, "unscoped", model._default_manager).values_list(field.name, flat=True)
                found |= {str(value) for value in rows if isinstance(value, str) and len(value) >= 12}
    return sorted(found | {line for value in found for line in value.splitlines() if len(line) > 40})


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize(
    ("role", "scope", "reached"), [("admin", BOTH, 200), ("auditor", "openid foyer:read", 200), ("", "", 401)]
)
def test_an_administrators_api(
    live: LiveServer,
    tenants: dict[str, Tenant],
    door: Any,
    tmp_path: Path,
    role: str,
    scope: str,
    reached: int,
) -> None:
    """The whole document works with a strong token, a weak one and none.

    There is no 5xx, no undeclared response, and no secret in any response.
    """
    host = f"acme.test:{live.port}"
    connect(door)
    with tenant_scope(tenants["acme"]):
        there = {**THERE, "devices": str(DeviceCode.objects.get().pk)}
        secrets.save("shop.client", new_token(), by="test")
        token = mint(role, scope, host) if role else ""
        families = TokenFamily.objects.filter(person__username=role).values_list("identifier", flat=True)
        own = [role, "admin-cli", *families] if role else []
    (tmp_path / "secrets.json").write_text(
        json.dumps([secret for secret in stored_secrets() if secret != token])
    )
    (tmp_path / "openapi.json").write_text(render_document())
    paths = "".join(
        (
            f'[[operations]]\ninclude-path-regex = "^/api/{name}/"\nparameters = {{"path.key" = "{key}", '
            f'"path.name" = "{key}"}}\n'
        )
        for name, key in there.items()
    )
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION + paths)
    headers = ["-H", f"Host: {host}", *(["-H", f"Authorization: Bearer {token}"] if token else [])]
    left_out = [word for name in OURS for word in ("--exclude-operation-id", name)]
    options = [
        "--checks",
        "all",
        "--exclude-checks",
        # a key may look like another address; test_calls.py tests methods
        "unsupported_method,allow_header_conformance",
        "--max-time",
        str(SECONDS // 3),
        "--seed",
        os.environ.get("FOYER_FUZZ_SEED", "4"),
        "--generation-database",
        "none",
        "--continue-on-failure",
        "--no-color",
    ]
    command: list[str | Path] = [
        PROGRAM,
        "run",
        "openapi.json",
        "--url",
        f"http://127.0.0.1:{live.port}",
        *left_out,
        *options,
        *headers,
    ]
    environment = {
        **os.environ,
        "FOYER_SEEDED_SECRETS": str(tmp_path / "secrets.json"),
        "FOYER_OWN_KEYS": json.dumps(own),
        "SCHEMATHESIS_HOOKS": "tests.web.api.fuzzing",
        "PYTHONPATH": str(Path.cwd()),
        # the tool iterates over sets; this makes the cases the same in every run
        "PYTHONHASHSEED": os.environ.get("FOYER_FUZZ_SEED", "4"),
    }
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
        env=environment,
    )
    assert ran.returncode == 0, ran.stdout[-20000:] + ran.stderr[-2000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert cases, ran.stdout[-1000:]
    assert cases[1] == cases[2]
    assert int(cases[1]) > 2 * len(document()["paths"])
    assert (
        requests.get(
            f"http://127.0.0.1:{live.port}/api/me",
            headers={"Host": host, "Authorization": f"Bearer {token}"},
            timeout=10,
        ).status_code
        == reached
    )
