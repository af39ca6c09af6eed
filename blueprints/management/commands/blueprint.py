"""``manage.py blueprint …``: plan, apply, export and convert configuration as YAML."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from blueprints.convert.authentik import convert
from blueprints.files.apply import PlanChanged, apply, attempted_blueprints, latest_results
from blueprints.files.drift import find_drift, owning_blueprints
from blueprints.files.export import NoSuchFlow, export
from blueprints.files.key_reference import render_reference as keys
from blueprints.files.plan import Plan, make_plan
from blueprints.files.plan_text import as_json, as_text, drift_as_text, result_as_text
from blueprints.files.problems import BadBlueprint, Problem
from blueprints.files.schema import render_schema as schema
from flows.documents import versions
from idp.foundation.arguments import number, suggest_name
from idp.foundation.text import printable_line
from idp.tenancy.argument import add_tenant, scope_from_options

CHANGES, NOTHING = 2, 0


class BlueprintProblems(CommandError):
    """The blueprint files have problems; ``problems`` holds them as data, each with its position."""

    def __init__(self, problems: Iterable[Problem], message: str) -> None:
        super().__init__(message)
        self.problems = [asdict(each) for each in problems]


class Command(BaseCommand):
    """Plans and applies blueprints."""

    help = (
        "Preview and apply blueprints. If there are problems, they are listed with file, line and "
        "key, and nothing is applied."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        plan = actions.add_parser(
            "plan", help="show what would change; exit code 0: nothing, 2: changes, 1: error"
        )
        applied = actions.add_parser("apply", help="apply a blueprint in one transaction")
        applied.add_argument(
            "--expect",
            default="",
            metavar="STATE",
            help="fail unless this is still the state that the plan reported",
        )
        applied.add_argument(
            "--generate-secrets", action="store_true", help="generate missing secrets and print them once"
        )
        for action in (plan, applied):
            action.add_argument("--json", action="store_true", help="output JSON, errors included")
            action.add_argument(
                "paths",
                nargs="+",
                type=Path,
                metavar="PATH",
                help="a file or a folder of .yaml and .yml files",
            )
            action.add_argument(
                "--name", default="", help="the name of the blueprint (default: its first file or folder)"
            )
            action.add_argument(
                "--prune",
                action="store_true",
                help="delete managed objects that are missing from this blueprint",
            )
            action.add_argument(
                "--var", action="append", default=[], metavar="NAME=VALUE", help="a variable for !vars"
            )

        self._add_read_actions(actions)
        self._add_convert_action(actions)

    def _add_convert_action(self, actions: Any) -> None:
        converted = actions.add_parser(
            "convert", help="convert another product's configuration; notes go to standard error"
        )
        converted.add_argument("product", choices=["authentik"])
        converted.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="all files of one installation"
        )
        converted.add_argument(
            "--out", type=Path, metavar="FILE", help="the file to write (default: standard output)"
        )

    def _add_read_actions(self, actions: Any) -> None:
        """Add the actions that only read."""
        exported = actions.add_parser("export", help="write a tenant or one flow to standard output, as YAML")
        exported.add_argument("--flow", default="", metavar="NAME", help="only this flow, with its sub-flows")
        exported.add_argument("--without", action="append", default=[], choices=["people"], help="omit these")
        drift = actions.add_parser("drift", help="show what has drifted; exit code 0: nothing, 2: drift")
        drift.add_argument(
            "--blueprint", default="", metavar="NAME", help="only objects that this blueprint manages"
        )
        drift.add_argument("--json", action="store_true", help="output JSON, errors included")
        for action in (exported, drift):
            add_tenant(action)
        listed = actions.add_parser(
            "results", help="show the last attempts to apply a blueprint, with their messages"
        )
        listed.add_argument(
            "--most",
            type=number(1, 1_000_000),
            default=20,
            metavar="N",
            help="how many (default: %(default)s)",
        )
        listed.add_argument("--blueprint", default="", metavar="NAME", help="only of this blueprint")
        actions.add_parser(
            "schema",
            help="write the JSON Schema of blueprints to standard output, with all installed stages",
        )
        actions.add_parser(
            "keys", help="write a reference of all blueprint keys to standard output, as Markdown"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        unchanged = "\nNothing was applied." if options["action"] == "apply" else ""
        try:
            getattr(self, f"_{options['action']}")(options)
        except BadBlueprint as bad:
            raise BlueprintProblems(bad.problems, f"{bad}{unchanged}") from None
        except PlanChanged as moved:
            raise CommandError(f"{moved}{unchanged}") from None

    def _plan(self, options: dict[str, Any]) -> None:
        plan = make_plan(options["paths"], **_plan_options(options))
        self.stdout.write(
            json.dumps(as_json(plan), indent=2) if options["json"] else as_text(plan, self.style)
        )
        raise SystemExit(CHANGES if plan.effective or plan.missing else NOTHING)

    def _apply(self, options: dict[str, Any]) -> None:
        json_output = bool(options["json"])
        shown: list[Plan] = []

        def generated(plan: Plan, secrets: Sequence[tuple[str, str, str]]) -> None:
            """Print the secrets before they are committed, so that none is stored if printing fails."""
            shown.append(plan)
            items = [dict(zip(("tenant", "name", "value"), each, strict=True)) for each in secrets]
            lines = [
                f"{tenant}: secret {name} is {value} (shown only now)" for tenant, name, value in secrets
            ]
            self.stdout.write(
                json.dumps({**as_json(plan), "generated": items}, indent=2)
                if json_output
                else "\n".join(lines)
            )
            self.stdout.flush()

        progress = self._show_progress if self.stderr.isatty() else (lambda text: None)
        generate = generated if options["generate_secrets"] else None
        plan = apply(
            options["paths"],
            **_plan_options(options),
            expect=options["expect"],
            progress=progress,
            show_generated=generate,
        )
        if not json_output:
            self.stdout.write(as_text(plan, self.style, done=True))
        elif not shown:
            self.stdout.write(json.dumps({**as_json(plan), "generated": []}, indent=2))

    def _convert(self, options: dict[str, Any]) -> None:
        converted = convert(options["files"])
        if options["out"]:
            _write_file(converted.text, options["out"], options["files"])
        else:
            self.stdout.write(converted.text, ending="")
        for note in converted.notes:
            self.stderr.write(printable_line(str(note)))

    def _export(self, options: dict[str, Any]) -> None:
        without = ["person" for each in options["without"] if each == "people"]
        with scope_from_options(options) as tenant:
            try:
                self.stdout.write(export(flow=options["flow"], without=without, compare=True), ending="")
            except NoSuchFlow:
                live = [flow.name for flow in versions.list_flows() if flow.live]
                hint = suggest_name(options["flow"], live)
                raise CommandError(
                    f"The tenant {tenant.name} has no published flow {options['flow']}.{hint}"
                ) from None

    def _drift(self, options: dict[str, Any]) -> None:
        with scope_from_options(options) as tenant:
            _check_known(options["blueprint"], owning_blueprints(), f" in tenant {tenant.name}")
            found = find_drift(options["blueprint"])
        self.stdout.write(
            json.dumps([each.as_json() for each in found], indent=2)
            if options["json"]
            else drift_as_text(found, self.style)
        )
        raise SystemExit(CHANGES if found else NOTHING)

    def _results(self, options: dict[str, Any]) -> None:
        _check_known(options["blueprint"], attempted_blueprints(), "")
        for each in latest_results(options["most"], options["blueprint"]):
            self.stdout.write(result_as_text(each, self.style))

    def _schema(self, options: dict[str, Any]) -> None:
        self.stdout.write(schema(), ending="")

    def _keys(self, options: dict[str, Any]) -> None:
        self.stdout.write(keys(), ending="")

    def _show_progress(self, text: str) -> None:
        self.stderr.write(self.style.HTTP_INFO(f"… {text}"))


def _check_known(name: str, names: set[str], where: str) -> None:
    if name and name not in names:
        raise CommandError(f"There is no blueprint {name}{where}.{suggest_name(name, names)}")


def _write_file(text: str, file: Path, sources: list[Path]) -> None:
    """Write the converted blueprint to a file that is not one of the sources."""
    if any(file.exists() and file.samefile(each) for each in sources):
        raise CommandError(f"{file} is the file to convert. Name another file with --out.")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}.") from None


def _plan_options(options: dict[str, Any]) -> dict[str, Any]:
    pairs = [each.partition("=") for each in options["var"]]
    if invalid := [name for name, sign, _ in pairs if not sign]:
        raise CommandError(f"--var {invalid[0]}: write NAME=VALUE.")
    return {
        "name": options["name"],
        "prune": options["prune"],
        "variables": {name: value for name, _, value in pairs},
    }
