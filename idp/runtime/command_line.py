"""The entry of ``manage.py`` and ``foyer``: version, file permissions, errors in one sentence, exit codes.

What holds for every command, Django's own included, stands here and in :mod:`idp.runtime.terminal`, so that
no command can forget it.
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

# Without our Celery app, what a command sends would go to Celery's default one, which hangs on amqp.
import idp.celery  # noqa: F401
from idp.runtime import terminal
from idp.runtime.faults import EXPECTED, sentence

FAILED = 1
"""The exit code of whatever could not be done, a mistyped command too. 2 is left to commands that compare:
something differs.
"""
_PRIVATE = 0o077
_INTERRUPTED = 130  # as shells name the end by SIGINT
# they write files that others read and commit
_FOR_THE_SOURCES = {"makemessages", "makemigrations", "openapi", "reference", "stage"}
_INTO_OUR_DOCS = {"openapi", "reference"}
_PROJECT = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


class Parser(CommandParser):
    """Arguments of any command: an option is written out, a mistake is an error like others, ``-`` and
    nothing are no paths.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs["allow_abbrev"] = False
        super().__init__(**kwargs)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments; errors of the command then come to :func:`main`, which tells them, instead of
        being printed by Django.
        """
        options = super().parse_args(args, namespace)
        options.traceback = True
        return options

    def error(self, message: str) -> NoReturn:
        """Raise CommandError, in place of an exit code that would mean something else."""
        raise _Misused(message, f"{self.format_usage()}{self.prog}: {message}")

    def _get_value(self, action: Any, arg_string: str) -> Any:
        if action.type is Path and arg_string in ("", "-"):
            raise ArgumentError(
                action, "use /dev/stdin or /dev/stdout" if arg_string else "a path can't be empty"
            )
        return super()._get_value(action, arg_string)


class _Misused(CommandError):
    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


def script() -> NoReturn:
    """Run the command line of this process: what ``foyer`` calls where Foyer is installed as a package."""
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        if sys.stderr:
            sys.stderr.write("\nFoyer: interrupted\n")
        sys.exit(_INTERRUPTED)


def main(arguments: list[str]) -> NoReturn:
    """Run one command and end the process: 0 it is done, 1 it could not be, 2 something differs.

    What is expected to fail is a sentence.
    """
    terminal.prepare()
    name = arguments[1] if len(arguments) > 1 else "help"
    if name not in _FOR_THE_SOURCES:
        os.umask(_PRIVATE)
    for name_in_django, ours in {
        "CommandParser": Parser,
        "OutputWrapper": terminal.Output,
        "color_style": terminal.coloured,
    }.items():
        # BaseCommand makes all of them by these names, and has no other way
        setattr(base, name_in_django, ours)
    try:
        code = _run(name, arguments)
        terminal.flush()
    except EXPECTED as error:
        if "--traceback" in arguments:
            raise
        _tell(error, as_json="--json" in arguments)
        code = error.returncode if isinstance(error, CommandError) else FAILED
    sys.exit(code)


def version() -> str:
    """Return the version: that of pyproject.toml in a checkout, otherwise that of the installed package."""
    if not _PROJECT.exists():
        return metadata.version("foyer")
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def _run(name: str, arguments: list[str]) -> int:
    if name in ("version", "--version"):
        terminal.Output(sys.stdout).write(version())
        return 0
    if name in _INTO_OUR_DOCS and not _PROJECT.exists():
        raise CommandError(f"{name} writes into the docs of Foyer's sources; run it in a checkout.")
    try:
        with _addresses_unchecked(name):
            execute_from_command_line(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise CommandError(end.code) from None
        return end.code or 0
    return 0


@contextmanager
def _addresses_unchecked(name: str) -> Iterator[None]:
    """Leave Django's check of every address to ``check``: it imports all pages and the API, a quarter of the
    processor time of a small command.

    An installation cannot make an address wrong, so an operator learns nothing from it.
    """
    registered = registry.registered_checks
    if name != "check":
        registry.registered_checks = {each for each in registered if Tags.urls not in each.tags}
    try:
        yield
    finally:
        registry.registered_checks = registered


def _tell(error: Exception, *, as_json: bool) -> None:
    """Say it on standard error, or as JSON on standard output; if that cannot be written, say so too."""
    told = [error]
    try:
        if as_json:
            plain = {
                "file": None,
                "line": None,
                "column": None,
                "key": None,
                "message": terminal.uncoloured(sentence(error)),
            }
            errors = getattr(error, "problems", None) or [plain]
            terminal.Output(sys.stdout).write(json.dumps({"errors": errors}, indent=2))
        terminal.flush()
    except terminal.Unwritable as unwritable:
        terminal.give_up()
        told, as_json = [error] if isinstance(error, terminal.Unwritable) else [error, unwritable], False
    for each in [] if as_json else told:
        said = getattr(each, "usage", "") or sentence(each)
        terminal.say(said if isinstance(each, CommandError) else f"Foyer: {said}")
