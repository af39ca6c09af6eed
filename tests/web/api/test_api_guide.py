"""The commands of docs/api.md work: run in order by a shell, they get a token and do what the text says."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from blueprints.files.apply import apply
from flows.models import Flow, Version
from idp.accounts.models import Person
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors, LiveServer, Started

GUIDE = (settings.BASE_DIR / "docs" / "api.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def shell(live: LiveServer, tmp_path: Path) -> Callable[[str], str]:
    """Return a function that runs lines in one continuing shell.

    It returns their output, and fails where a command does.
    """
    assert shutil.which("curl"), "No curl: install Debian's package curl."
    (tmp_path / ".curlrc").write_text(f"resolve = acme.test:{live.port}:127.0.0.1\n")
    environment = {**os.environ, "CURL_HOME": str(tmp_path), "FOYER": live.url("acme.test")}
    keeping = (
        'for name in FOYER ASKED DEVICE_CODE TOKEN; do [ -z "${!name-}" ] || declare -p $name; done > '
        "state; declare -f >> state"
    )

    def run(lines: str) -> str:
        script = f"set -eo pipefail\n[ ! -e state ] || . ./state\n{lines}\n{keeping}\n"
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, f"{lines}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    return run


def test_its_commands(
    shell: Callable[[str], str],
    tenants: dict[str, Tenant],
    door: Doors,
    write_blueprint: Callable[..., Path],
    live: LiveServer,
) -> None:
    """The commands lead from the device code to every list, object, flow and blueprint of the guide."""
    application = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[0]
    apply(
        [write_blueprint(f"tenant: acme\n---\nperson: alice\nrole: admin\n---\n{application}", "guide.yaml")]
    )
    begin, token, *others = COMMANDS
    code = re.findall(r"user_code=([A-Z-]+)", shell(begin))[0]
    door(f"acme.test:{live.port}").approve(Started({"user_code": code, "device_code": ""}))
    assert '"person": "alice"' in shell(token)
    lists, one, actions, recipes, happening, flows, secrets, blueprints = others
    assert '"username": "alice"' in shell(lists)
    assert '"role": "helpdesk"' in shell(one)
    assert '"outcome": "not_found"' in shell(actions)
    made = shell(recipes)
    assert '"client_secret": ""' in made
    assert made.count("device_code") > 3
    assert '"what": "redeemed"' in shell(happening)
    printed = shell(flows)
    assert '"new": "Connect your device"' in printed
    with tenant_scope(tenants["acme"]):
        assert [test["name"] for test in Version.objects.get(number=2).document["tests"]] == [
            "No password, no device"
        ]
        live_version = Flow.objects.get(name="connect-a-device").live
        assert live_version
        assert (Version.objects.count(), live_version.number) == (2, 1)
    assert '"names": ["shop.client"]' in shell(secrets)
    assert "group: guests" in shell(blueprints)
    assert [row.tenant.name for row in Person.unscoped.filter(username="clerk")] == ["acme"]


def test_its_statuses_are_the_documents(program: Any) -> None:
    """Each error in the guide's table is provoked once."""
    admin = program()
    rows = dict(re.findall(r"^\| (4\d\d) \| `(\w+)` \|", GUIDE, re.MULTILINE))
    seen = {
        "400": admin("GET", "people/?page=x"),
        "403": program("auditor")("PUT", "people/clerk", {}),
        "404": admin("GET", "people/nobody"),
        "409": admin("PUT", "people/clerk", {"groups": ["nowhere"]}),
        "412": admin("PUT", "people/bob", {}, if_none_match="*"),
        "428": admin("PUT", "people/bob", {}),
    }
    assert {status: response.json()["error"] for status, response in seen.items()} == {
        status: rows[status] for status in seen
    }
    assert {status: str(response.status_code) for status, response in seen.items()} == {
        status: status for status in seen
    }
