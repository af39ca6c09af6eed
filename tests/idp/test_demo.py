"""The demo application is there for a device on one's own machine; in public only where a setting says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from idp.oauth.models import Application
from idp.runtime import env
from idp.tenancy.models import Tenant
from tests.house.source import ROOT

SHOW = "import django; django.setup(); from django.conf import settings; print(settings.DEMO)"
SET_UP = """
import django; django.setup()
from django.core.management import call_command
call_command("setup")
from idp.oauth.models import Application
print(list(Application.unscoped.values_list("name", flat=True)))
"""


def output(program: str, folder: Path, variables: dict[str, str]) -> str:
    """What a program prints in its own process, with these variables and none of ours."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FOYER_", "DATABASE_URL", "REDIS_URL"))
    }
    environment = {**own, "FOYER_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "idp.settings", **variables}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "there"),
    [
        ({}, True),
        ({"FOYER_BIND": "::"}, False),
        ({"FOYER_TRUSTED_PROXIES": "10.0.0.1"}, False),
        ({"FOYER_BIND": "::", "FOYER_DEMO": "on"}, True),
        ({"FOYER_DEMO": "off"}, False),
    ],
)
def test_where_it_is_there_by_default(tmp_path: Path, variables: dict[str, str], there: bool) -> None:
    """It is there where only this machine reaches the server; otherwise only where the setting says so."""
    assert output(SHOW, tmp_path, variables) == str(there)


def test_a_fresh_installation_in_public(tmp_path: Path) -> None:
    """Set up by the command, it has no application at all."""
    assert output(SET_UP, tmp_path, {"FOYER_BIND": "::"}) == "[]"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("::", False),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    """Every address is no loopback address, though this machine reaches it by one too."""
    assert env.is_loopback(host) is expected
    assert env.is_loopback("foyer.example") is False


def test_check_names_it_where_others_reach_it(acme: Tenant, settings: Settings) -> None:
    """The check warns until the demo is deactivated or the setting says that it is intended."""

    def warned() -> bool:
        return "foyer.W015" in {message.id for message in run_checks(databases=["default"])}

    Application.objects.create(name="demo-device", client_id="demo-device", title="Demo device")
    settings.ON_THIS_MACHINE = settings.DEMO = False
    assert warned()
    settings.DEMO = True
    assert not warned()
    settings.DEMO = False
    Application.objects.update(is_active=False)
    assert not warned()
