"""What reaches a terminal: letters, line breaks, tabs and our own colors.

No control character of a name gets there, however it was stored.
"""

import io
import json
import sys
from contextlib import suppress
from typing import Any

import pytest
from django.core.management import base, call_command
from django.core.management.color import color_style, no_style
from django.utils import timezone

from blueprints.files.drift import Drift
from blueprints.files.plan_text import drift_as_text, result_as_text
from blueprints.models import Owned, Result, Secret
from flows.models import Version
from idp.accounts.models import Group, Person
from idp.foundation.text import printable, printable_line
from idp.runtime import terminal
from idp.runtime.terminal import Output, Unwritable, marked_style, strip_color
from idp.tenancy.models import Tenant
from tests.support.client import Write

HOSTILE = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\b\b\b",
    "\r",
    "\u202e",
    "\u200b",
    "\u2066",
    "\u2028",
    "\x85",
    "\ufeff",
    "\udcff",
    "\x00",
]
FORGED = "x\n- esc: person admin"


def written(text: str, **how: Any) -> str:
    """What is written of it."""
    out = io.StringIO()
    Output(out).write(text, **how)
    return out.getvalue()


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_no_control_character_is_written(hostile: str) -> None:
    """Each becomes a sign that something was there; what is around it stays."""
    said = written(f"a{hostile}b")
    assert said[0] == "a"
    assert said[-2:] == "b\n"
    assert "\ufffd" in said
    assert not set(said) & set("\x1b\x07\x9b\b\r\u202e\u200b\u2066\u2028\x85\ufeff\udcff\x00")
    assert printable_line(f"a{hostile}\nb").count("\n") == 0


@pytest.mark.parametrize(
    "text", ["Bürö\t1\n", "日本語", "👩\u200d🚀", "می\u200cخواهم", "a\u00a0b", "█▄▀ ◆ → ≤ …"]
)
def test_what_people_read_stays(text: str) -> None:
    """Joiners that mean something too, so that what a person is called is shown as it is written."""
    assert printable(text) == text


def test_our_colors_are_written_and_no_others() -> None:
    """The colors of a style are written, but not those in a name, also within a style."""
    style = marked_style(force_color=True)
    red = color_style(force_color=True).ERROR("x")
    assert written(style.ERROR("x")) == f"{red}\n"
    assert "\x1b" in red
    said = written(style.ERROR("a\x1b[32mb") + "\x1b[1m")
    assert said.count("\x1b") == red.count("\x1b")
    assert "\ufffd[32m" in said
    assert strip_color(style.ERROR("plain")) == "plain"


def test_the_plain_style_is_left_alone() -> None:
    """Django has one style without colors for all commands; ours is another object."""
    before = color_style().ERROR
    marked_style()
    marked_style()
    assert color_style().ERROR is before


class Broken(io.StringIO):
    """A stream whose disk is full."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_what_cannot_be_written_is_an_error() -> None:
    """It says which stream it was."""
    with pytest.raises(Unwritable, match="No space left on device: 'Standard output'"):
        Output(Broken()).write("x")


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make commands write as they do from the command line."""
    monkeypatch.setattr(base, "OutputWrapper", terminal.Output)
    monkeypatch.setattr(base, "color_style", terminal.marked_style)


def ran(*words: str) -> str:
    """What the command writes."""
    out = io.StringIO()
    try:
        with suppress(SystemExit):
            call_command(*words, stdout=out, stderr=out, force_color=True)
    except base.CommandError as error:
        out.write(f"{printable_line(str(error))}\n")
    return out.getvalue()


@pytest.mark.usefixtures("ours")
def test_names_that_came_otherwise_into_the_database(acme: Tenant) -> None:
    """Such names are refused everywhere today, but rows outlive rules.

    A row can be from an older version, or written with SQL.
    """
    hostile = "x\x1b[2J\u202e\n- esc: person admin"
    Person.objects.filter(username="alice").update(name=hostile)
    Group.objects.create(name=hostile)
    Secret.objects.create(name=hostile, value="v", set_at=timezone.now())
    Version.objects.update(note=hostile, author=hostile)
    Owned.objects.filter(name="bob").update(blueprint=hostile)
    Result.objects.create(
        blueprint=hostile,
        edition="e",
        at=timezone.now(),
        by=hostile,
        counts={},
        messages=[hostile],
        succeeded=False,
    )
    said = {
        " ".join(words): ran(*words)
        for words in (
            ["blueprint", "drift", "--tenant", "acme"],
            ["blueprint", "drift", "--tenant", "acme", "--json"],
            ["blueprint", "drift", "--tenant", "acme", "--blueprint", "nope"],
            ["blueprint", "results"],
            ["blueprint", "results", "--blueprint", "nope"],
            ["blueprint", "export", "--tenant", "acme"],
            ["secret", "list", "--tenant", "acme"],
            ["person", "recovery-link", "nobody", "--tenant", "acme"],
            ["events", "export", "--tenant", "acme"],
            ["flow", "list", "--tenant", "acme"],
            ["flow", "show", "connect-a-device", "--tenant", "acme"],
            ["flow", "versions", "connect-a-device", "--tenant", "acme"],
            ["flow", "simulate", "connect-a-device", "--person", "alice", "--tenant", "acme"],
            ["flow", "simulate", "connect-a-device", "--person", "alice", "--tenant", "acme", "--json"],
        )
    }
    for words, text in said.items():
        assert "\u202e" not in text, words
        assert "\x1b[2J" not in text, words
        assert "- esc: person admin" not in [line.strip() for line in text.splitlines()], words
    assert "\ufffd[2J" in said["blueprint drift --tenant acme"]
    assert json.loads(said["blueprint drift --tenant acme --json"])[0]["keys"][0]["new"] == hostile
    assert "\\e[2J" in said["blueprint export --tenant acme"]


def test_a_name_forges_no_line() -> None:
    """Of drift, and of results."""
    drift = Drift("b", "group", FORGED, (), FORGED, "")
    assert drift_as_text([drift], no_style()).count("\n") == 0
    result = Result(
        blueprint=FORGED, by=FORGED, messages=[FORGED], counts={}, succeeded=False, at=timezone.now()
    )
    assert result_as_text(result, no_style()).count("\n") == 1


def test_a_plan_is_not_forged(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """A blueprint with a name on two lines is refused, and the refusal is one line."""
    path = write_blueprint('tenant: acme\n---\ngroup: "g\\n- esc: person admin"\n')
    with pytest.raises(base.CommandError) as refused:
        call_command("blueprint", "plan", str(path), stdout=sys.stdout)
    assert str(refused.value).count("\n") == 0
