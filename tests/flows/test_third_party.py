"""A stage in its own wheel works like one of the product.

It covers skeleton, installation, registry, schema, flow, JSON rendering and the contract suite as shipped.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

CLIENT = '''
"""Run a flow with the badge in it, as a JSON client."""
import pytest
from pathlib import Path
from django.test import Client
from blueprints.files.apply import apply
from flows.documents.schema import document_schema

FLOW = """
tenant: acme
domains: [acme.test]
---
person: alice
password: alice-password-1
---
flow: connect-a-device
title: Connect a device
for: device_code
steps:
  - stage: identification
  - stage: acme.badge
    settings: {prefix: B}
    when: request.ip != "10.0.0.1"
  - stage: password
  - stage: login
  - stage: device_code
  - stage: consent
  - stage: finish
"""


@pytest.mark.django_db
def test_client(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(FLOW)
    apply([file])
    steps = document_schema()["$defs"]["StepDocument"]
    assert "acme.badge" in steps["properties"]["stage"]["enum"]
    http = Client(HTTP_HOST="acme.test")
    begun = http.post("/api/runs/", {"for": "device_code"}, content_type="application/json").json()

    def answer(step, **fields):
        body = {"step": step, "answer": fields}
        return http.post(begun["url"], body, content_type="application/json", HTTP_AUTHORIZATION=f"Run {begun['secret']}").json()

    badge = answer("identification", name="alice")
    assert (badge["stage"], badge["fields"][0]["label"]) == ("acme.badge", "Number on your badge")
    assert answer("acme.badge", number="A1")["errors"] == {"number": ["Enter a valid badge number."]}
    assert answer("acme.badge", number="B1")["stage"] == "password"
'''  # noqa: E501


def run(folder: Path, site: Path, *arguments: str) -> str:
    """Run one command beside the installed wheel in its own process and return its output."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
        "FOYER_DATA": str(folder / "data"),
        "DJANGO_SETTINGS_MODULE": "idp.settings",
    }
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


@pytest.mark.slow
def test_a_wheel_with_one_file(tmp_path: Path) -> None:
    """``manage.py stage new`` leads to a flow that a JSON client runs.

    There is no app and no migration, and no file of the product changes.
    """
    site, manage = tmp_path / "site", str(ROOT / "manage.py")
    run(tmp_path, site, manage, "stage", "new", "acme.badge", "--to", str(tmp_path))
    project = tmp_path / "foyer-acme-badge"
    install = [
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--target",
        str(site),
        str(project),
    ]
    run(tmp_path, site, *install)
    assert "acme.badge" in run(tmp_path, site, manage, "stage", "list")
    assert "no issues" in run(tmp_path, site, manage, "check")
    run(tmp_path, site, manage, "makemigrations", "--check", "--dry-run")
    contract = run(
        tmp_path,
        site,
        "-m",
        "pytest",
        "-q",
        "--pyargs",
        "flows.contract",
        "-k",
        "acme.badge",
        "-p",
        "no:cacheprovider",
    )
    assert " passed" in contract
    (project / "test_client.py").write_text(CLIENT)
    assert "3 passed" in run(
        tmp_path,
        site,
        "-m",
        "pytest",
        "-q",
        str(project),
        "--rootdir",
        str(project),
        "-p",
        "no:cacheprovider",
    )
