"""What holds for every command of ours: options are written out, and a mistake exits with 1.

Errors can be JSON, too. The tests cover all commands.
"""

import json
import os
from argparse import _SubParsersAction
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, base, get_commands, load_command_class
from django.core.management.base import CommandParser

from idp.runtime import command_line
from tests.house.source import PACKAGES

OURS = sorted(name for name, app in get_commands().items() if app.split(".")[0] in PACKAGES)
DJANGOS = ["check", "migrate", "makemigrations"]


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore three names of Django's and the umask, which the entry point replaces."""
    for name in ("CommandParser", "OutputWrapper", "color_style"):
        monkeypatch.setattr(base, name, getattr(base, name))
    umask = os.umask(0o022)
    yield
    os.umask(umask)


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that fails before it starts."""
    with pytest.raises(SystemExit) as end:
        command_line.main(["manage.py", *words])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def parsers(name: str) -> dict[str, Any]:
    """The parser of a command and those of its actions."""
    command = load_command_class(get_commands()[name], name)
    found: dict[str, Any] = {name: command.create_parser("manage.py", name)}
    for action in found[name]._actions:
        if isinstance(action, _SubParsersAction):
            found |= {f"{name} {word}": parser for word, parser in action.choices.items()}
    return found


def test_all_of_them_are_known() -> None:
    """The list is not empty, and holds those that a person would look for."""
    assert {
        "blueprint",
        "flow",
        "secret",
        "person",
        "keys",
        "events",
        "device",
        "seed",
        "backup",
        "restore",
        "up",
        "web",
    } <= set(OURS)


@pytest.mark.parametrize("name", [*OURS, *DJANGOS])
def test_no_option_is_abbreviated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command and no action accepts an abbreviated option: --pr is not --prune."""
    monkeypatch.setattr(base, "CommandParser", command_line.Parser)
    for words, parser in parsers(name).items():
        assert isinstance(parser, command_line.Parser), words
        assert parser.allow_abbrev is False, words
        options = [
            each
            for action in parser._actions
            for each in action.option_strings
            if len(each) > 4 and each.startswith("--")
        ]
        for option in options:
            if option[:-1] not in options:
                with pytest.raises(CommandError):
                    parser.parse_args([option[:-1]])


@pytest.mark.parametrize("name", [*OURS, *DJANGOS])
def test_a_mistyped_option_ends_with_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and standard error shows the usage; with --json the error is JSON."""
    code, out, err = ended(capsys, name, "--nonsense")
    assert (code, out) == (1, "")
    assert "usage:" in err
    assert "Traceback" not in err
    code, out, err = ended(capsys, name, "--nonsense", "--json")
    assert (code, err) == (1, "")
    (error,) = json.loads(out)["errors"]
    assert set(error) == {"file", "line", "column", "key", "message"}
    assert error["file"] is None
    assert error["message"]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("path", ["", "-"])
def test_nothing_and_a_dash_are_no_paths(name: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty path would be the working folder, and a dash a file of that name; both are refused."""
    monkeypatch.setattr(base, "CommandParser", command_line.Parser)
    for words, parser in parsers(name).items():
        for action in parser._actions:
            if getattr(action.type, "__name__", "") == "Path":
                with pytest.raises(CommandError, match=r"a path can't be empty|use /dev/stdin"):
                    parser.parse_args(
                        [action.option_strings[0], path]
                        if action.option_strings
                        else ["authentik", path][-_wants(parser) :]
                    )
                assert words


def _wants(parser: CommandParser) -> int:
    """How many words come up to and with the path, which a product can precede."""
    return 2 if any(action.choices and not action.option_strings for action in parser._actions) else 1


@pytest.mark.parametrize("name", OURS)
def test_help_is_no_failure(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to standard output."""
    code, out, err = ended(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert "usage:" in out
