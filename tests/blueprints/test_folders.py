"""In a folder of blueprints, every file that looks like one is read and the rest is named.

No odd file stops anything.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from blueprints.files import watch
from blueprints.files.watch import apply_changed
from blueprints.models import Result
from idp.oauth.models import Scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope


def blueprint(*words: object) -> str:
    """Return what the command prints."""
    out = StringIO()
    with suppress(SystemExit):
        call_command("blueprint", *map(str, words), stdout=out, no_color=True)
    return out.getvalue()


def refused(*words: object) -> str:
    """Return why the command exits with 1."""
    with pytest.raises(CommandError) as error:
        call_command("blueprint", *map(str, words))
    assert error.value.returncode == 1
    return str(error.value)


def scope(name: str, tenant: str = "acme") -> str:
    """Return a blueprint of one scope."""
    return f"tenant: {tenant}\n---\nscope: {name}\ntitle: T\n"


def scopes(tenant: Tenant) -> set[str]:
    """Return the names of the scopes that blueprints of these tests created."""
    with tenant_scope(tenant):
        return set(Scope.objects.exclude(name__endswith=":read").values_list("name", flat=True))


@pytest.fixture
def folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the watched folder, of which nothing was logged yet."""
    monkeypatch.setattr(watch, "_warned", set())
    settings.BLUEPRINTS = str(tmp_path / "watched")
    (tmp_path / "watched").mkdir()
    return tmp_path / "watched"


@pytest.mark.parametrize("suffix", [".yml", ".YAML", ".Yml"])
def test_every_spelling_is_read(tenants: dict[str, Tenant], folder: Path, suffix: str) -> None:
    """It is read by the commands and in the watched folder, alone and in a subfolder, for both tenants."""
    (folder / f"a{suffix}").write_text(scope("a"))
    (folder / "b").mkdir()
    (folder / "b" / f"one{suffix}").write_text(scope("b", "other"))
    assert "2 to create" in blueprint("plan", folder)
    assert apply_changed() == ["a", "b"]
    assert (scopes(tenants["acme"]), scopes(tenants["other"])) == ({"a"}, {"b"})


def test_a_renamed_file_keeps_its_objects(tenants: dict[str, Tenant], tmp_path: Path) -> None:
    """Nothing of b.yaml is pruned because it is called b.yml now."""
    (tmp_path / "a.yaml").write_text(scope("a"))
    (tmp_path / "b.yaml").write_text(scope("b"))
    blueprint("apply", tmp_path, "--prune")
    (tmp_path / "b.yaml").rename(tmp_path / "b.yml")
    assert blueprint("plan", tmp_path, "--prune").endswith(": 2 unchanged\n")
    blueprint("apply", tmp_path, "--prune")
    assert scopes(tenants["acme"]) == {"a", "b"}


def test_what_is_passed_over_is_named(tenants: dict[str, Tenant], tmp_path: Path) -> None:
    """Files that tags read and hidden files are not among it; a file without a document is."""
    (tmp_path / "a.yaml").write_text(scope("a") + "description: !file texts/about.txt\n")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "about.txt").write_text("About")
    (tmp_path / ".hidden").touch()
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    for name in ("b.yaml.bak", "c.json", "README"):
        (tmp_path / name).write_text(scope("b"))
    (tmp_path / "more").symlink_to("texts")
    names = ", ".join(
        str(tmp_path / name) for name in ("README", "b.yaml.bak", "c.json", "empty.yaml", "more")
    )
    assert f"Note: No document found in {names}." in blueprint("plan", tmp_path)
    for number in range(30):
        (tmp_path / f"z{number}.txt").touch()
    assert "and 15 more." in blueprint("apply", tmp_path)


@pytest.mark.parametrize("action", ["plan", "apply"])
def test_a_path_without_a_document_is_an_error(
    tenants: dict[str, Tenant], tmp_path: Path, action: str
) -> None:
    """It is a folder with other files, an empty one or an empty file, also beside a path that has some."""
    (tmp_path / "a.yaml").write_text(scope("a"))
    (tmp_path / "empty.yaml").touch()
    for name in ("others", "nothing"):
        (tmp_path / name).mkdir()
    (tmp_path / "others" / "b.json").write_text(scope("b"))
    for name in ("others", "nothing", "empty.yaml"):
        assert f"{name}:1:1: No document found." in refused(action, tmp_path / "a.yaml", tmp_path / name)
    assert scopes(tenants["acme"]) == set()
    assert "1 to create" in blueprint("plan", tmp_path, tmp_path / "a.yaml")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def _forbidden(path: Path) -> None:
    path.symlink_to(f"/proc/self/{path.stem}/{'x' * 300}")  # no name may be so long, not even root's


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": _pipe,
    "a file of a gigabyte": _large,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "what cannot be opened": _forbidden,
    "no UTF-8": lambda path: path.write_bytes(b"scope: caf\xe9\n"),
    "no YAML": lambda path: path.write_bytes(b"\0\1"),
    "an empty file": lambda path: path.touch(),
}


@pytest.mark.parametrize("odd", ODD)
def test_nothing_odd_stops_the_watching(tenants: dict[str, Tenant], folder: Path, odd: str) -> None:
    """Alone it is a blueprint that fails; in a folder it fails that one, logged once.

    The blueprints before and after it are applied.
    """
    ODD[odd](folder / "20-odd.yaml")
    (folder / "30-with").mkdir()
    (folder / "30-with" / "good.yaml").write_text(scope("held-back"))
    if odd != "an empty file":
        ODD[odd](folder / "30-with" / "odd.yml")
    (folder / "10-first.yaml").write_text(scope("first"))
    (folder / "40-last.yaml").write_text(scope("last", "other"))
    applied = ["10-first", "40-last"] if odd != "an empty file" else ["10-first", "30-with", "40-last"]
    assert apply_changed() == applied
    assert (apply_changed(), apply_changed()) == ([], [])
    failures = Result.objects.filter(by="blueprint folder", succeeded=False).order_by("pk")
    failed = failures.values_list("blueprint", "messages")
    assert [name for name, _ in failed] == (["20-odd", "30-with"] if len(applied) == 2 else ["20-odd"])
    assert all(len(messages) == 1 and "see the log" not in messages[0] for _, messages in failed)
    assert "held-back" not in scopes(tenants["acme"]) or odd == "an empty file"
    for path in (folder / "20-odd.yaml", folder / "30-with" / "odd.yml"):
        path.unlink(missing_ok=True)
    (folder / "20-odd.yaml").write_text(scope("mended"))
    assert set(apply_changed()) == {"20-odd", "30-with"} - set(applied)
    assert {"first", "mended", "held-back"} == scopes(tenants["acme"])


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd != "an empty file"])
def test_nothing_odd_is_waited_for_by_a_command(tenants: dict[str, Tenant], tmp_path: Path, odd: str) -> None:
    """In a folder it is one problem with its name, and nothing is applied."""
    ODD[odd](tmp_path / "odd.yaml")
    (tmp_path / "good.yaml").write_text(scope("good"))
    assert "odd.yaml:1:" in refused("apply", tmp_path, "--prune")
    assert scopes(tenants["acme"]) == set()


def test_what_is_no_blueprint_may_be_as_odd(tenants: dict[str, Tenant], folder: Path) -> None:
    """It may lie beside blueprints or in folders without one, with any name."""
    for number, make in enumerate(ODD.values()):
        make(folder / f"{number}.txt")
    (folder / "texts").mkdir()
    _pipe(folder / "texts" / "pipe")
    (folder / "round").symlink_to(".")
    (folder / "dir.yaml").mkdir()
    (folder / "dir.yaml" / "a.yaml").write_text(scope("inside"))
    Path(os.fsdecode(os.fsencode(folder) + b"/na\xefve.yaml")).write_text(scope("odd-name"))
    (folder / f"{'n' * 240}.yaml").write_text(scope("long-name"))
    (folder / "10-good.yaml").write_text(scope("good"))
    assert {"10-good", "dir.yaml", "na\ufffdve", "n" * 200} <= set(apply_changed())
    assert scopes(tenants["acme"]) >= {"good", "inside", "odd-name", "long-name"}


@pytest.mark.parametrize("where", ["20-with/inner", "20-with", "."])
def test_a_folder_that_may_not_be_read(
    tenants: dict[str, Tenant],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """Its contents do not count as deleted: nothing of that blueprint is applied, and the others are."""
    (folder / "20-with" / "inner").mkdir(parents=True)
    (folder / "20-with" / "a.yaml").write_text(scope("a"))
    (folder / "20-with" / "inner" / "b.yaml").write_text(scope("b"))
    (folder / "30-good.yaml").write_text(scope("good"))
    blueprint("apply", folder / "20-with", "--prune")
    scandir, listdir, hidden = os.scandir, os.listdir, os.path.realpath(folder / where)

    def refuse(kept: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def look_into(path: Any = ".") -> Any:
            if os.path.realpath(path) == hidden:
                raise PermissionError(13, "Permission denied", str(path))
            return kept(path)

        return look_into

    monkeypatch.setattr(os, "scandir", refuse(scandir))
    monkeypatch.setattr(os, "listdir", refuse(listdir))
    assert apply_changed() == ([] if where == "." else ["30-good"])
    assert (apply_changed(), apply_changed()) == ([], [])
    if where == ".":
        assert caplog.messages.count("no folder of blueprints") == 1
        return
    [failed] = Result.objects.filter(by="blueprint folder", succeeded=False)
    assert [message.partition(str(folder / where))[2] for message in failed.messages] == [
        ":1:1: Permission denied"
    ]
    assert "Permission denied" in refused("apply", folder / "20-with", "--prune")
    assert scopes(tenants["acme"]) == {"a", "b", "good"}
    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "listdir", listdir)
    assert apply_changed() == ["20-with"]


def test_a_file_that_vanishes_meanwhile(
    tenants: dict[str, Tenant], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored of a file that vanishes between being listed and being read."""
    (folder / "10-gone.yaml").write_text(scope("gone"))
    (folder / "20-good.yaml").write_text(scope("good"))
    digest = watch._digest

    def slow(path: Path, where: Path) -> str:
        if path.name.startswith("10"):
            path.unlink()
        return digest(path, where)

    monkeypatch.setattr(watch, "_digest", slow)
    assert apply_changed() == ["20-good"]
    assert apply_changed() == []
    assert not Result.objects.filter(by="blueprint folder", succeeded=False).exists()


def test_what_is_left_out_is_logged_once(
    tenants: dict[str, Tenant], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and again only when it changes."""
    (folder / "notes.txt").touch()
    (folder / "a.yaml").write_text(scope("a"))
    (folder / "a.yml").write_text(scope("b"))
    for _ in range(3):
        apply_changed()
    assert [caplog.messages.count(event) for event in ("no blueprint", "two blueprints with one name")] == [
        1,
        1,
    ]
    (folder / "more.json").touch()
    apply_changed()
    assert caplog.messages.count("no blueprint") == 2
