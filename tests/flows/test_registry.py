"""Stages are found in the product, in settings.STAGE_PACKAGES and in installed packages.

A broken stage is reported when the server starts.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from flows.registry import BrokenStage, stages
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import draw

GOOD = '''"""A stage."""

from flows.stage import Done, Stage


class {name}(Stage):
    """Asks nothing."""

    title = "{name}"

    def enter(self, run):
        return Done()
'''
Writer = Callable[..., None]


@pytest.fixture
def package(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Write a module of a package that settings.STAGE_PACKAGES names."""
    folder = tmp_path / "more_stages"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.STAGE_PACKAGES = ["stages", "more_stages"]
    stages.cache_clear()

    def write(name: str, text: str) -> None:
        (folder / f"{name}.py").write_text(text)
        stages.cache_clear()

    yield write
    stages.cache_clear()
    for name in [name for name in sys.modules if name.startswith("more_stages")]:
        del sys.modules[name]


def test_a_stage_of_another_package_is_one_like_any_other(package: Writer, acme: Tenant, door: Doors) -> None:
    """One file, one class, named after the file; nothing else is touched."""
    package("wave", GOOD.format(name="Wave"))
    assert stages()["wave"].kind == "wave"
    draw("wave", "identification", "password", "login", "device_code", "consent", "finish")
    assert door().page().step == "identification"


def test_an_installed_package_brings_stages_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: Tenant, door: Doors
) -> None:
    """The group is idp.stages; the name of the entry point is the kind."""
    (tmp_path / "their_stage.py").write_text(GOOD.format(name="Theirs"))
    metadata = tmp_path / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[idp.stages]\ntheirs = their_stage\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    stages.cache_clear()
    try:
        assert stages()["theirs"].__module__ == "their_stage"
        draw("theirs", "identification", "password", "login", "device_code", "consent", "finish")
        assert door().page().step == "identification"
    finally:
        stages.cache_clear()
        sys.modules.pop("their_stage", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            GOOD.format(name="One") + GOOD.format(name="Two").split("\n\n\n")[1].join(["\n\n", ""]),
            "exactly one stage, not 2",
        ),
        ('"""Nothing."""\n', "exactly one stage, not 0"),
        (GOOD.format(name="Wave").replace('    title = "Wave"\n', ""), "lacks a title"),
        (GOOD.format(name="Wave").replace('    """Asks nothing."""\n', ""), "lacks a docstring"),
        ("import a_module_that_is_not_there\n", "cannot be imported"),
        ("def broken(:\n", "cannot be imported"),
        ("1 / 0\n", "cannot be imported"),
        (GOOD.format(name="Wave").split("    def enter")[0], "lacks its own enter or submit"),
        (
            GOOD.format(name="Wave").replace(
                "from flows.stage", "from flows.settings import StageSettings\nfrom flows.stage"
            )
            + "\n    class Settings(StageSettings):\n        needed: int\n",
            "lacks a default for the setting needed",
        ),
        (
            GOOD.format(name="Wave") + "\n    class Settings:\n        model_fields = {}\n",
            "lacks Settings derived from StageSettings",
        ),
    ],
)
def test_a_broken_stage_is_found_at_start_up(acme: Tenant, package: Writer, text: str, said: str) -> None:
    """``manage.py check`` fails with the module's name and the fix.

    A broken stage stops the server, not a visitor.
    """
    package("wave", text)
    with pytest.raises(SystemCheckError) as failed:
        call_command("check")
    assert "foyer.E001" in str(failed.value)
    assert "more_stages.wave" in str(failed.value)
    assert said in str(failed.value)


def test_two_stages_of_one_kind_are_refused(package: Writer) -> None:
    """A file of the same name elsewhere does not replace the password stage."""
    package("password", GOOD.format(name="Password"))
    with pytest.raises(
        BrokenStage, match=r"Two stages have the name password: stages\.password and more_stages\.password"
    ):
        stages()


def test_adding_a_stage_makes_no_migration(third_party: None, db: None) -> None:
    """Settings of stages never appear in migrations, and no stage owns a table."""
    assert {"word", "probe"} <= set(stages())
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_a_live_flow_whose_stage_is_gone_shows_in_the_check(
    third_party: None, acme: Tenant, settings: Settings
) -> None:
    """``manage.py check --database default`` names flow, tenant and step."""
    draw("identification", "password", "word", "login", "device_code", "consent", "finish")
    settings.STAGE_PACKAGES = ["stages"]
    stages.cache_clear()
    found = [message for message in run_checks(databases=["default"]) if message.id == "foyer.W001"]
    assert len(found) == 1
    assert "Flow connect-a-device of tenant acme: steps.2.stage: Unknown stage word." in found[0].msg
