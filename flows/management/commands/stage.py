"""``manage.py stage``: lists the installed stages and creates the skeleton of a new one."""

import inspect
import re
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from flows.registry import stages
from flows.stage import Stage

_KIND = re.compile(r"\A[a-z][a-z0-9]*\.[a-z][a-z0-9_]*\Z")

_PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "foyer-{dashed}"
version = "0.1.0"
description = "A stage for Foyer."
requires-python = ">=3.11"

[project.entry-points."idp.stages"]
"{kind}" = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""

_STAGE = '''\
"""Asks for the number on a badge."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Facts
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Done, Outcome, Show, Stage


class {name}(Stage):
    """Asks for the number on a badge, which must start with the configured prefix."""

    title = _("Your badge")
    needs = {{"person"}}
    gives = {{"{kind}"}}

    class Settings(StageSettings):
        prefix: str = setting("A", max_length=10, title=_("Prefix of every number"))

    class Form(forms.Form):
        number = forms.CharField(label=_("Number on your badge"), max_length=20)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        if not answer["number"].startswith(self.settings.prefix):
            return Show(errors={{"number": _("Enter a valid badge number.")}})
        return Done(Facts(own={{"{kind}": {{"number": answer["number"]}}}}))
'''

_TEST = '''\
"""The badge's number is checked.

What every stage must keep: pytest --pyargs flows.contract -k {kind} --ds=idp.settings
"""

from django.utils import timezone

from flows.facts import ClaimedPerson, Facts
from flows.run import Run
from flows.stage import Done, Show
from {module} import {name}


def run() -> Run:
    """Return a run in which a name was typed."""
    facts = Facts(person=ClaimedPerson(1, "alice"))
    return Run("run", "flow", facts, {{}}, {{}}, "browser", None, "192.0.2.1", "", timezone.now())


def test_a_badge_passes():
    """The number is learned."""
    outcome = {name}().submit(run(), {{"number": "A17"}})
    assert isinstance(outcome, Done)
    assert outcome.facts.own == {{"{kind}": {{"number": "A17"}}}}


def test_anything_else_is_asked_again():
    """With a message at the field."""
    outcome = {name}().submit(run(), {{"number": "17"}})
    assert isinstance(outcome, Show)
    assert set(outcome.errors) == {{"number"}}
'''


def _summary(stage: type[Stage]) -> str:
    return " ".join(inspect.cleandoc(stage.__doc__ or "").split("\n\n")[0].split())


class Command(BaseCommand):
    """Commands for stages."""

    help = (
        "list: list all installed stages. new COMPANY.NAME: create a package with a stage, its entry "
        "point and a test."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="list all installed stages")
        new = actions.add_parser("new", help="create the skeleton of a stage")
        new.add_argument("kind", metavar="COMPANY.NAME")
        new.add_argument(
            "--to", type=Path, default=Path(), metavar="FOLDER", help="the folder to create it in"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            for kind, stage in stages().items():
                self.stdout.write(f"{kind:20} {_summary(stage)}  ({stage.__module__})")
            return
        self._new(options["kind"], options["to"])

    def _new(self, kind: str, parent: Path) -> None:
        if not _KIND.match(kind):
            raise CommandError("Write a kind as company.name in lowercase, such as acme.badge.")
        module = kind.replace(".", "_")
        words = {"kind": kind, "module": module, "dashed": kind.replace(".", "-").replace("_", "-")}
        words["name"] = "".join(word.title() for word in kind.partition(".")[2].split("_"))
        folder = parent / f"foyer-{words['dashed']}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise CommandError(f"{folder} already exists.") from None
        for name, text in {
            "pyproject.toml": _PROJECT,
            f"{module}.py": _STAGE,
            f"test_{module}.py": _TEST,
        }.items():
            (folder / name).write_text(text.format(**words))
        self.stdout.write(
            f"Created {folder}. Install it next to Foyer (pip install ./{folder}), then run: "
            "manage.py stage list"
        )
