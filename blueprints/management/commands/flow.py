"""``manage.py flow …``: show, compare, publish, roll back and test flows, and inspect their runs."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import ngettext

from blueprints.management.flow import output, selection
from blueprints.management.flow.selection import SelectedFlow
from blueprints.management.flow.simulation_options import add_simulation_options, simulation_arguments
from flows.documents import versions
from flows.documents.diff import Change, diff_flows
from flows.documents.lint import lint
from flows.documents.published import document_of, layout_of
from flows.editing import drafts, publishing
from flows.engine.executor import NoSuchRun
from flows.simulation.flow_tests import run_flow_tests
from flows.simulation.funnel import funnel
from flows.simulation.inspector import inspect_run
from flows.simulation.simulate import PersonNotFound, run_result, simulate
from idp.foundation.arguments import number
from idp.foundation.text import printable_line
from idp.tenancy.argument import add_tenant, scope_from_options

DIFFERENT = 2
_BY = "command line"
_VERSION = number(0, 2**31 - 1)
_ENDS = ("finished", "asks", "denied", "leaves", "broken")
_GOOD = ("done", "known before", "entered", "ends")
_BAD = ("denied", "refused", "broken")


_INSPECT = (
    "show a run: its steps, the reasons, its facts without secrets. Shows personal data and is recorded in "
    "the audit log"
)


class Command(BaseCommand):
    """Commands about flows."""

    help = (
        "Show a tenant's flows, publish and roll back versions, and test flows without saving or sending "
        "anything."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

        def action(name: str, description: str, *flow: str) -> CommandParser:
            made: CommandParser = actions.add_parser(name, help=description, description=description)
            add_tenant(made)
            for each in flow:
                made.add_argument("name", metavar=each)
            return made

        action("list", "list flows with their purpose, live version and draft")
        _add_version_options(action("show", "show a flow as YAML", "FLOW"))
        action("versions", "list the versions of a flow, newest first", "FLOW")
        diff = action(
            "diff", "compare two versions step by step; exit code 0: no differences, 2: differences", "FLOW"
        )
        diff.add_argument(
            "versions",
            nargs="*",
            metavar="VERSION",
            help="version numbers or draft (default: the live version and the one before)",
        )
        draft = action("draft", "save the flows of a file as drafts")
        draft.add_argument("file", type=Path, metavar="FILE.yaml")
        action("discard", "discard a draft", "FLOW")
        action("publish", "publish the draft of a flow", "FLOW").add_argument(
            "--note", default="", help="a note for the version history"
        )
        rollback = action("rollback", "roll back to an earlier version", "FLOW")
        rollback.add_argument("number", type=_VERSION, metavar="VERSION")
        rollback.add_argument("--note", default="", help="a note for the version history")
        self._add_test_actions(action)
        action("inspect", _INSPECT, "RUN")
        counts = action(
            "funnel", "show how many runs reached, completed, failed or abandoned each step", "FLOW"
        )
        counts.add_argument(
            "--version", type=_VERSION, metavar="N", help="version number (default: the live version)"
        )

    def _add_test_actions(self, action: Callable[..., CommandParser]) -> None:
        simulation = action(
            "simulate",
            "dry run: show what each step would do and why; nothing is saved or sent",
            "FLOW",
        )
        _add_version_options(simulation).add_argument(
            "--file", type=Path, metavar="FILE.yaml", help="use the flow in this file"
        )
        add_simulation_options(simulation)
        simulation.add_argument(
            "--expect",
            choices=_ENDS,
            metavar="END",
            help=f"how it must end: {', '.join(_ENDS)} (default: anything but broken)",
        )
        simulation.add_argument("--json", action="store_true", help="print JSON")
        test = action("test", "check flows and run their saved tests (default: all live flows)")
        test.add_argument("names", nargs="*", metavar="FLOW")
        test.add_argument("--file", type=Path, metavar="FILE.yaml", help="use the flows in this file")

    def handle(self, *args: Any, **options: Any) -> None:
        with scope_from_options(options):
            getattr(self, f"_{options['action']}")(options)

    def _list(self, options: Any) -> None:
        rows = []
        for flow in versions.list_flows():
            live, draft = flow.live, getattr(flow, "draft", None)
            since, author = (output.format_time(live.created_at), live.author) if live else ("", "")
            default = "" if flow.is_default or not live else " (not default)"
            rows.append(
                [
                    flow.name,
                    flow.designation + default,
                    live.number if live else "–",
                    since,
                    author,
                    _describe_draft(draft),
                ]
            )
        self.stdout.write(output.table(["flow", "purpose", "live", "since (UTC)", "by", "draft"], *rows))

    def _show(self, options: Any) -> None:
        name = options["name"]
        if options["draft"]:
            draft = selection.get_draft(name)
            return self.stdout.write(
                output.yaml_with_comment(
                    {"flow": name, **draft.document}, f"{name}, {_describe_draft(draft)}"
                )
            )
        version = selection.get_version(name, options["version"])
        live = ", live" if version.flow.live_id == version.pk else ""
        note = f": {version.note}" if version.note else ""
        comment = (
            f"{name}, version {version.number}{live}, by {version.author}, "
            f"{output.format_time(version.created_at)} UTC{note}"
        )
        return self.stdout.write(output.yaml_with_comment(document_of(version), comment))

    def _versions(self, options: Any) -> None:
        live = selection.get_version(options["name"])
        rows = [
            [
                each.number,
                "live" if each == live else "",
                output.format_time(each.created_at),
                each.author,
                each.note,
            ]
            for each in versions.list_versions(options["name"])
        ]
        self.stdout.write(output.table(["version", "", "published (UTC)", "by", "note"], *rows))

    def _diff(self, options: Any) -> None:
        old, new = selection.select_two(options["name"], options["versions"])
        changes = diff_flows(old.document, new.document)
        last = new.label.rpartition(", ")[2]
        self.stdout.write(
            f"{old.label} → {last}" if changes else f"No differences between {old.label} and {last}."
        )
        for change in changes:
            self.stdout.write(self._colored(change))
        if changes:
            sys.exit(DIFFERENT)

    def _colored(self, change: Change) -> str:
        paint = {"added": self.style.SUCCESS, "removed": self.style.ERROR}.get(
            change.kind, self.style.WARNING
        )
        return str(paint(printable_line(str(change))))

    def _draft(self, options: Any) -> None:
        for located in selection.read_flows(options["file"]):
            known = drafts.draft_of(located.name)
            if known:
                raise CommandError(
                    f"{located.name} already has a draft: {_describe_draft(known)}. "
                    "Publish or discard it first."
                )
            drafts.save_draft(located.name, located.document.as_json(), by=_BY, revision=None)
            self.stdout.write(f"{located.name}: saved as a draft.")

    def _discard(self, options: Any) -> None:
        selection.get_draft(options["name"])
        drafts.discard_draft(options["name"], by=_BY)
        self.stdout.write(f"{options['name']}: draft discarded.")

    def _publish(self, options: Any) -> None:
        name = options["name"]
        selection.parse_draft(name, selection.get_draft(name))
        try:
            published = drafts.publish_draft(name, by=_BY, note=options["note"])
        except versions.InvalidFlow as refused:
            raise CommandError(f"Not published:\n{selection.format_findings(refused)}") from None
        except drafts.DraftChanged:
            raise CommandError(
                "Not published: someone just changed the draft. Review it and try again."
            ) from None
        number = published.version.number
        self.stdout.write(
            f"{name}: version {number} is live."
            if published.changed
            else f"{name}: no changes; version {number} is already live."
        )
        self._warn(selection.select_flow(name))

    def _rollback(self, options: Any) -> None:
        name, number = options["name"], options["number"]
        selection.get_version(name, number)
        try:
            publishing.roll_back(name, number, by=_BY, note=options["note"])
        except versions.InvalidFlow as refused:
            raise CommandError(
                f"Not rolled back: version {number} is no longer valid:\n{selection.format_findings(refused)}"
            ) from None
        self.stdout.write(f"{name}: version {number} is live.")

    def _simulate(self, options: Any) -> None:
        flow = selection.select_flow(
            options["name"], version=options["version"], draft=options["draft"], file=options["file"]
        )
        selection.check_steps(flow, [step for step, _ in options["answer"]])
        try:
            reports = simulate(flow.document, sub_flows=flow.parts, **simulation_arguments(options))
        except PersonNotFound as error:
            raise CommandError(str(error)) from None
        end, expected = run_result(reports), options["expect"]
        message = (
            f"Expected the flow to end as {expected}, but it ended as {end}."
            if expected
            else "The flow is broken."
        )
        failed = end != expected if expected else end == "broken"
        if options["json"]:
            result = {"flow": flow.label, "ends": end, "steps": [asdict(report) for report in reports]}
            self.stdout.write(
                json.dumps(
                    result | ({"errors": [{"message": message}]} if failed else {}), indent=2, default=str
                )
            )
            return sys.exit(1) if failed else None
        for decision, text in output.format_steps(reports):
            self.stdout.write(self._colored_step(decision, text))
        self.stdout.write(f"\n{flow.label}: ends as {end}.")
        if failed:
            raise CommandError(message)

    def _colored_step(self, decision: str, text: str) -> str:
        if decision in _GOOD:
            return str(self.style.SUCCESS(text))
        return str(self.style.ERROR(text)) if decision in _BAD else text

    def _test(self, options: Any) -> None:
        if options["file"]:
            flows = [
                each
                for each in selection.flows_in_file(options["file"])
                if not options["names"] or each.document.flow in options["names"]
            ]
        else:
            flows = selection.live_flows(options["names"])
        failed = [not self._passes(flow) for flow in flows]
        if any(failed):
            raise CommandError(
                f"{sum(failed)} of {ngettext('%d flow', '%d flows', len(failed)) % len(failed)} failed."
            )

    def _passes(self, flow: SelectedFlow) -> bool:
        """Print each test of a flow; return whether all passed and the flow itself is valid."""
        self.stdout.write(flow.label)
        errors = versions.only_errors(lint(flow.document, flow.parts))
        for finding in errors:
            self.stdout.write(self.style.ERROR(f"  {'.'.join(map(str, finding.path))}: {finding.message}"))
        findings = {
            at: list(each)
            for at, each in groupby(
                run_flow_tests(flow.document, flow.parts), key=lambda finding: finding.path[1]
            )
        }
        for at, test in enumerate(flow.document.tests):
            name = printable_line(test.name)
            self.stdout.write(
                self.style.ERROR(f"  failed: {name}")
                if at in findings
                else self.style.SUCCESS(f"  passed: {name}")
            )
            for finding in findings.get(at, []):
                self.stdout.write(
                    f"          {printable_line(finding.message.removeprefix(test.name + ': '))}"
                )
        if not flow.document.tests:
            self.stdout.write("  no tests")
        return not errors and not findings

    def _warn(self, flow: SelectedFlow) -> None:
        for finding in lint(flow.document, flow.parts, planned_names={}):
            self.stderr.write(f"  {'.'.join(map(str, finding.path))}: {finding.message}")

    def _inspect(self, options: Any) -> None:
        try:
            found = inspect_run(options["name"], by=_BY, may_view_people=True)
        except NoSuchRun:
            raise CommandError("No such run in this tenant. Expired runs are counted and deleted.") from None
        self.stderr.write(
            "This run contains personal data. Your access was recorded in the audit log (flow.inspected)."
        )
        for line in output.format_run(found):
            self.stdout.write(line)

    def _funnel(self, options: Any) -> None:
        version = selection.get_version(options["name"], options["version"])
        self.stdout.write(f"{version.flow.name}, version {version.number}")
        self.stdout.write(output.format_funnel(layout_of(version), funnel(version, may_view_people=True)))


def _add_version_options(parser: CommandParser) -> Any:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--version", type=_VERSION, metavar="N", help="version number (default: the live version)"
    )
    group.add_argument("--draft", action="store_true", help="use the draft")
    return group


def _describe_draft(draft: Any) -> str:
    return (
        f"draft {draft.revision} by {draft.author}, {output.format_time(draft.updated_at)}" if draft else ""
    )
