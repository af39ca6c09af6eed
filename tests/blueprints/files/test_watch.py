"""What changes in a watched folder of blueprints is applied, in order, once.

What was wrong is stored.
"""

import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import Settings

from blueprints.files.secrets import save
from blueprints.files.watch import apply_changed
from blueprints.models import Result
from blueprints.tasks import apply_watched
from idp.accounts.people import group_names, save_person
from idp.oauth.models import Scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

Put = Callable[[str, str], None]


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """Return the watched folder."""
    settings.BLUEPRINTS = str(tmp_path / "watched")
    (tmp_path / "watched").mkdir()
    return tmp_path / "watched"


@pytest.fixture
def put(folder: Path) -> Put:
    """Write a file below it."""

    def write(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return write


def results() -> list[tuple[str, bool]]:
    """Return every attempt since the tenants were set up, oldest first."""
    return list(
        Result.objects.filter(by="blueprint folder").order_by("pk").values_list("blueprint", "succeeded")
    )


def titles(tenant: Tenant) -> dict[str, str]:
    """Return the titles of the tenant's scopes."""
    with tenant_scope(tenant):
        return dict(Scope.objects.exclude(name__endswith=":read").values_list("name", "title"))


def scope(name: str, tenant: str = "acme", title: str = "T") -> str:
    """Return a blueprint of one scope."""
    return f"tenant: {tenant}\n---\nscope: {name}\ntitle: {title}\n"


def test_files_and_folders_are_applied_once_and_again_when_they_change(
    tenants: dict[str, Tenant], folder: Path, put: Put
) -> None:
    """Each is one blueprint, for both tenants; what is hidden or not YAML is none."""
    put("10-a.yaml", scope("a"))
    put("20-b/one.yaml", scope("b1"))
    put("20-b/two.yaml", scope("b2", "other"))
    put(".hidden.yaml", scope("hidden"))
    put("notes.txt", scope("notes"))
    put(".git/x.yaml", scope("git"))
    put("20-b/.one.yaml.swp.yaml", scope("b1"))
    assert apply_changed() == ["10-a", "20-b"]
    assert apply_changed() == []
    assert (titles(tenants["acme"]), titles(tenants["other"])) == ({"a": "T", "b1": "T"}, {"b2": "T"})
    put("20-b/two.yaml", scope("b2", "other", "Changed"))
    assert apply_changed() == ["20-b"]
    assert titles(tenants["other"]) == {"b2": "Changed"}
    assert results() == [("10-a", True), ("20-b", True), ("20-b", True)]


def test_nothing_is_watched_unless_a_folder_is_named(
    tenants: dict[str, Tenant], settings: Settings, tmp_path: Path
) -> None:
    """A folder that does not exist is no error: it may be mounted later."""
    settings.BLUEPRINTS = ""
    assert apply_changed() == []
    settings.BLUEPRINTS = str(tmp_path / "later")
    assert apply_changed() == []


def test_one_waits_for_what_another_brings(tenants: dict[str, Tenant], put: Put) -> None:
    """Blueprints are applied by name, then by what needs what (authentik #4945).

    Nothing is noted as failed that worked at last.
    """
    put("10-person.yaml", "tenant: acme\n---\nperson: clerk\ngroups: [night]\n")
    put("20-group.yaml", "tenant: acme\n---\ngroup: night\n")
    assert apply_changed() == ["20-group", "10-person"]
    assert results() == [("20-group", True), ("10-person", True)]


def test_a_bad_one_keeps_its_messages_and_is_not_tried_again_by_itself(
    tenants: dict[str, Tenant], put: Put
) -> None:
    """What is wrong is stored with file, line and key, and the others are applied.

    See authentik #12186 and #25286.
    """
    put("10-bad.yaml", scope("bad") + "titel: x\n")
    put("20-good.yaml", scope("good"))
    assert apply_changed() == ["20-good"]
    for _ in range(3):
        assert apply_changed() == []
    bad = Result.objects.get(blueprint="10-bad")
    assert not bad.succeeded
    assert [message.partition("10-bad.yaml")[2] for message in bad.messages] == [
        ":5:1: titel: Unknown key. Did you mean title?"
    ]
    out = StringIO()
    call_command("blueprint", "results", stdout=out, no_color=True)
    assert "10-bad by blueprint folder: failed\n    " in out.getvalue()
    assert "20-good by blueprint folder: 1 created" in out.getvalue()


def test_a_failed_one_is_tried_again_when_something_else_was_applied(
    tenants: dict[str, Tenant], put: Put
) -> None:
    """What it waited for may come later, under a name that sorts before or after it."""
    put("10-person.yaml", "tenant: acme\n---\nperson: clerk\ngroups: [night]\n")
    assert apply_changed() == []
    put("20-scope.yaml", scope("nothing-to-do-with-it"))
    assert apply_changed() == ["20-scope"]
    put("30-group.yaml", "tenant: acme\n---\ngroup: night\n")
    assert apply_changed() == ["30-group", "10-person"]
    assert results() == [("10-person", False), ("20-scope", True), ("30-group", True), ("10-person", True)]


def test_a_half_written_file_is_applied_when_it_is_whole(tenants: dict[str, Tenant], put: Put) -> None:
    """An editor saves in two steps, and meanwhile nothing of it is applied."""
    whole = scope("a") + "---\nperson: clerk\nattributes: {team: 'night', shift: 2}\n"
    put("a.yaml", whole[:-8])
    assert apply_changed() == []
    assert titles(tenants["acme"]) == {}
    put("a.yaml", whole)
    assert apply_changed() == ["a"]
    assert results() == [("a", False), ("a", True)]


def test_a_secret_that_comes_later(
    tenants: dict[str, Tenant], put: Put, settings: Settings, tmp_path: Path
) -> None:
    """The blueprint that named it is tried again when it is entered or appears as a file.

    It is tried again when the file has another value, too.
    """
    settings.SECRETS = str(tmp_path)
    put(
        "a.yaml",
        "tenant: acme\n---\napplication: box\ntype: confidential\nclient_secret: !secret box-secret\n",
    )
    assert apply_changed() == []
    (message,) = Result.objects.get(blueprint="a").messages
    assert "The secret box-secret is missing" in message
    (tmp_path / "box-secret").write_text("first\n")
    assert apply_changed() == ["a"]
    (tmp_path / "box-secret").write_text("second\n")
    assert apply_changed() == ["a"]
    assert apply_changed() == []
    put("b.yaml", "tenant: other\n---\nperson: clerk\npassword: !secret carols\n")
    assert apply_changed() == []
    with tenant_scope(tenants["other"]):
        save("carols", "carols-password-1", by="test")
    assert apply_changed() == ["b"]


def test_what_tags_read_belongs_to_it(
    tenants: dict[str, Tenant], folder: Path, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beside it and an environment variable belong to it."""
    monkeypatch.setenv("SCOPE_TITLE", "one")
    put("a.yaml", "tenant: acme\n---\nscope: a\ntitle: !env SCOPE_TITLE\ndescription: !file about.txt\n")
    put("about.txt", "About")
    assert apply_changed() == ["a"]
    put("about.txt", "About it")
    assert apply_changed() == ["a"]
    monkeypatch.setenv("SCOPE_TITLE", "two")
    assert apply_changed() == ["a"]
    assert titles(tenants["acme"]) == {"a": "two"}
    assert apply_changed() == []


def test_nothing_is_ever_deleted(tenants: dict[str, Tenant], folder: Path, put: Put) -> None:
    """Neither what a file no longer names nor what a deleted file named is deleted.

    What was changed manually stays as it is.
    """
    put("a.yaml", "tenant: acme\n---\ngroup: one\n---\ngroup: two\n---\nperson: alice\nname: A.\n")
    apply_changed()
    put("a.yaml", "tenant: acme\n---\ngroup: one\n")
    apply_changed()
    (folder / "a.yaml").unlink()
    assert apply_changed() == []
    with tenant_scope(tenants["acme"]):
        assert {"one", "two"} <= set(group_names())
        save_person("alice", by="alice", name="By hand")
    assert apply_changed() == []


def test_a_folder_that_is_mounted_with_links(tenants: dict[str, Tenant], folder: Path, put: Put) -> None:
    """As in a container's configuration, the files are in a hidden folder with links beside it."""
    put("20-b/visible", "")
    mounted = folder / "20-b"
    for turn in ("T", "Changed"):
        hidden = mounted / f"..{turn}"
        hidden.mkdir()
        (hidden / "one.yaml").write_text("tenant: acme\n---\nscope: b1\ntitle: !file title\n")
        (hidden / "title").write_text(turn)
        for name in ("one.yaml", "title"):
            (mounted / name).unlink(missing_ok=True)
            (mounted / name).symlink_to(Path(f"..{turn}") / name)
        assert apply_changed() == ["20-b"]
        assert titles(tenants["acme"]) == {"b1": turn}


def test_two_of_one_name_do_not_take_turns(tenants: dict[str, Tenant], put: Put) -> None:
    """The first in order counts, and the other is named in the log."""
    put("a.yaml", scope("file"))
    put("a/x.yaml", scope("folder"))
    assert apply_changed() == ["a"]
    assert apply_changed() == []
    assert len(titles(tenants["acme"])) == 1


def test_any_number_of_workers_apply_it_once(
    transactional_db: None, tenants: dict[str, Tenant], put: Put
) -> None:
    """Six at once, good and bad, produce one result each."""
    put("10-good.yaml", scope("good"))
    put("20-bad.yaml", scope("bad") + "titel: x\n")
    failed: list[BaseException] = []

    def work() -> None:
        try:
            apply_watched()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    assert sorted(results()) == [("10-good", True), ("20-bad", False)]
    assert titles(tenants["acme"]) == {"good": "T"}
