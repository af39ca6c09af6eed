"""The entry point of ``manage.py`` and ``foyer``: version, file modes, error messages, exit codes.

What applies to every command, Django's own included, is here and in :mod:`idp.runtime.terminal`, so that no
command can omit it.
"""

import json
import os
import sys
import tomllib
from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from django.core.checks import Tags
from django.core.checks.registry import registry
from django.core.management import base, execute_from_command_line
from django.core.management.base import CommandError, CommandParser

# Without Foyer's Celery app, a command would send tasks to Celery's default one, which hangs on amqp.
import idp.celery  # noqa: F401
from idp.runtime import terminal
from idp.runtime.command_errors import EXPECTED_ERRORS, describe_error

EXIT_FAILED = 1
"""The exit code of failures, including mistyped commands; 2 means that a comparison found differences."""
_UMASK = 0o077
_INTERRUPTED = 130  # the exit code of shells for SIGINT
# they write files that are read by others and committed
_SOURCE_COMMANDS = {"makemessages", "makemigrations", "openapi", "reference", "stage"}
_DOCS_COMMANDS = {"openapi", "reference"}
_PROJECT = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


class Parser(CommandParser):
    """The argument parser of every command.

    Options cannot be abbreviated, a mistake is an error like any other, and ``-`` and the empty string are no
    paths.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs["allow_abbrev"] = False
        super().__init__(**kwargs)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments, with ``traceback`` set.

        So errors of the command reach :func:`main`, which reports them, instead of being printed by Django.
        """
        options = super().parse_args(args, namespace)
        options.traceback = True
        return options

    def error(self, message: str) -> NoReturn:
        """Raise CommandError instead of exiting with a code that has another meaning here."""
        raise _UsageError(message, f"{self.format_usage()}{self.prog}: {message}")

    def _get_value(self, action: Any, arg_string: str) -> Any:
        if action.type is Path and arg_string in ("", "-"):
            raise ArgumentError(
                action, "use /dev/stdin or /dev/stdout" if arg_string else "a path can't be empty"
            )
        return super()._get_value(action, arg_string)


class _UsageError(CommandError):
    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


def script() -> NoReturn:
    """Run the command line of this process: the entry point ``foyer`` of the installed package."""
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        if sys.stderr:
            sys.stderr.write("\nFoyer: interrupted\n")
        sys.exit(_INTERRUPTED)


def main(arguments: list[str]) -> NoReturn:
    """Run one command and exit: 0 for success, 1 for failure, 2 where something differs.

    Expected errors are one sentence.
    """
    terminal.prepare_streams()
    name = arguments[1] if len(arguments) > 1 else "help"
    if name not in _SOURCE_COMMANDS:
        os.umask(_UMASK)
    for name_in_django, ours in {
        "CommandParser": Parser,
        "OutputWrapper": terminal.Output,
        "color_style": terminal.marked_style,
    }.items():
        # BaseCommand looks them up by these names and offers no other hook
        setattr(base, name_in_django, ours)
    try:
        code = _run(name, arguments)
        terminal.flush()
    except EXPECTED_ERRORS as error:
        if "--traceback" in arguments:
            raise
        _report(error, as_json="--json" in arguments)
        code = error.returncode if isinstance(error, CommandError) else EXIT_FAILED
    sys.exit(code)


def version() -> str:
    """Return the version: of pyproject.toml in a checkout, otherwise of the installed package."""
    if not _PROJECT.exists():
        return metadata.version("foyer")
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def _run(name: str, arguments: list[str]) -> int:
    if name in ("version", "--version"):
        terminal.Output(sys.stdout).write(version())
        return 0
    if name in _DOCS_COMMANDS and not _PROJECT.exists():
        raise CommandError(f"{name} writes into the docs of Foyer's sources; run it in a checkout.")
    try:
        with _without_url_check(name):
            execute_from_command_line(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise CommandError(end.code) from None
        return end.code or 0
    return 0


@contextmanager
def _without_url_check(name: str) -> Iterator[None]:
    """Skip Django's check of the URLs except in the command ``check``.

    It imports all pages and the API, which takes a quarter of the processor time of a small command. An
    installation cannot break a URL, so the check tells an operator nothing.
    """
    registered = registry.registered_checks
    if name != "check":
        registry.registered_checks = {each for each in registered if Tags.urls not in each.tags}
    try:
        yield
    finally:
        registry.registered_checks = registered


def _report(error: Exception, *, as_json: bool) -> None:
    """Report the error on standard error, or as JSON on standard output.

    An output that cannot be written is reported too.
    """
    errors_to_show = [error]
    try:
        if as_json:
            plain = {
                "file": None,
                "line": None,
                "column": None,
                "key": None,
                "message": terminal.strip_color(describe_error(error)),
            }
            errors = getattr(error, "problems", None) or [plain]
            terminal.Output(sys.stdout).write(json.dumps({"errors": errors}, indent=2))
        terminal.flush()
    except terminal.Unwritable as unwritable:
        terminal.discard_output()
        errors_to_show, as_json = (
            [error] if isinstance(error, terminal.Unwritable) else [error, unwritable],
            False,
        )
    for each in [] if as_json else errors_to_show:
        message = getattr(each, "usage", "") or describe_error(each)
        terminal.write_error(message if isinstance(each, CommandError) else f"Foyer: {message}")
