"""A blueprint is applied as a whole or not at all, and one after the other.

Processes are killed and race, and administrators change objects in between.
"""

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from blueprints.files import apply as applying
from blueprints.files.apply import PlanChanged, apply
from blueprints.files.plan import make_plan
from blueprints.objects.registry import KINDS
from idp.accounts.models import Person
from idp.accounts.people import save_person
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.modes.processes import Installation
from tests.support.client import Write

ALICE = "tenant: acme\n---\nperson: alice\nname: From the file\n"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """Return an installation of its own."""
    return Installation(tmp_path / "data")


def objects(word: str, many: int) -> str:
    """Return scopes, people and applications of two tenants, all with this word."""
    one = (
        "---\nscope: s{0}\ntitle: {1}\n---\nperson: p{0}\nname: {1}\n---\napplication: a{0}\ntitle: "
        "{1}\nscopes: [s{0}]\n---\ngroup: g{0}\n"
    )
    texts = (
        f"---\ntenant: {name}\n" + "".join(one.format(at, word) for at in range(many))
        for name in ("acme", "other")
    )
    return "".join(texts)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_in_the_middle_leaves_the_old_state_whole(
    installation: Installation, write_blueprint: Write
) -> None:
    """The old state stays after kill -9 at ten moments of writing 2,000 objects.

    The next apply is not hindered by it.
    """
    installation.manage("blueprint", "apply", write_blueprint(objects("old", 20)), "--name", "b")
    old, file = installation.everything(), write_blueprint(objects("new", 250))
    reference = installation.start("blueprint", "plan", file, "--name", "b")
    reference.process.communicate()
    taken, hit = 0.4, 0
    for moment in range(10):
        command = installation.start("blueprint", "apply", file, "--name", "b")
        command.reach("writing acme")
        begun = time.monotonic()
        if moment % 2:
            command.reach("writing other")  # the first 1,000 objects are written
        time.sleep(taken * moment / 10 / 2)
        command.kill()
        if installation.everything() == old:
            assert command.process.returncode == -9
            hit += 1
        else:  # it was committed before it was killed: everything is written
            assert titles(installation) == {"new"}
            taken = (time.monotonic() - begun) / 2
            installation.manage(
                "blueprint",
                "apply",
                write_blueprint(objects("old", 20), "old.yaml"),
                "--name",
                "b",
                "--prune",
            )
            old = installation.everything()
    assert hit >= 7
    assert "created" in installation.manage("blueprint", "apply", file, "--name", "b")
    assert titles(installation) == {"new"}
    assert installation.rows("SELECT count(*) FROM oauth_scope")[0][0] == 500


def titles(installation: Installation) -> set[str]:
    """Return the titles of the scopes, people and applications of both tenants, read at once."""
    found = (
        "SELECT title FROM oauth_scope UNION SELECT title FROM oauth_application UNION SELECT name FROM "
        "accounts_person"
    )
    return {title for (title,) in installation.rows(found)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_at_once_are_one_after_the_other(installation: Installation, write_blueprint: Write) -> None:
    """Two processes set the same objects ten times, and the result is all of what one of them said.

    Neither fails.
    """
    text = "".join(
        f"---\nscope: s{at}\ntitle: !vars word\n---\nperson: p{at}\nname: !vars word\n" for at in range(150)
    )
    file = write_blueprint(f"tenant: acme\n{text}")
    for turn in range(10):
        words = [f"{name}{turn}" for name in "AB"]
        commands = [
            installation.start("blueprint", "apply", file, "--name", word[0], "--var", f"word={word}")
            for word in words
        ]
        outputs = [command.finish() for command in commands]
        assert all(re.search(r"30[01] (created|changed)", each) for each in outputs), outputs
        assert titles(installation) in ({words[0]}, {words[1]})
        assert (
            installation.rows(
                "SELECT count(DISTINCT blueprint) FROM blueprints_owned WHERE kind <> 'tenant'"
            )[0][0]
            == 1
        )
    assert installation.rows("SELECT count(*) FROM oauth_scope")[0][0] == 150


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_reader_sees_old_or_new(installation: Installation, write_blueprint: Write) -> None:
    """While one apply changes two tenants, every read finds both of them old or both new."""
    installation.manage("blueprint", "apply", write_blueprint(objects("old", 100)), "--name", "b")
    command = installation.start("blueprint", "apply", write_blueprint(objects("new", 100)), "--name", "b")
    seen, looks, during = list[set[str]](), 0, 0
    while command.process.poll() is None:
        found = titles(installation)
        looks, during = looks + 1, during + (b"writing" in command.said)
        if not seen or found != seen[-1]:
            seen.append(found)
    command.finish()
    assert seen in ([{"old"}, {"new"}], [{"old"}])
    assert titles(installation) == {"new"}
    assert looks > 10
    assert during > 0


def test_a_hand_between_plan_and_write_is_seen(
    acme: Tenant, write_blueprint: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is made again, so that the report says what was really replaced.

    With --expect nothing is.
    """
    harden, hands = applying._hash_secrets, ["By hand", "By hand again"]

    def interrupted(*arguments: Any) -> None:
        if hands:
            save_person("alice", name=hands.pop(0), by="bob")
        harden(*arguments)

    monkeypatch.setattr(applying, "_hash_secrets", interrupted)
    file = write_blueprint(ALICE)
    (change,) = apply([file]).effective
    assert [(key.old, key.new) for key in change.keys] == [("By hand again", "From the file")]
    save_person("alice", name="Once more", by="bob")
    hands.append("While it is applied")
    with pytest.raises(PlanChanged):
        apply([file], expect=make_plan([file]).digest)
    assert Person.objects.get(username="alice").name == "While it is applied"


def test_a_hand_that_never_rests_is_not_overwritten(
    acme: Tenant, write_blueprint: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few attempts apply gives up, with nothing written."""
    count = iter(range(1000))
    monkeypatch.setattr(
        applying,
        "_hash_secrets",
        lambda *arguments: save_person("alice", name=f"By hand {next(count)}", by="bob"),
    )
    with pytest.raises(PlanChanged):
        apply([write_blueprint(ALICE)])
    assert Person.objects.get(username="alice").name.startswith("By hand")


def test_a_hand_after_the_last_look_waits_or_wins(
    transactional_db: None,
    tenants: dict[str, Tenant],
    write_blueprint: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change between reading the rows and writing them waits on SQLite.

    On PostgreSQL it wins, and the comparison is made again.
    """
    write, threads = KINDS["person"].write, list[threading.Thread]()

    def by_hand() -> None:
        with tenant_scope(tenants["acme"]):
            save_person("alice", name="By hand", by="bob")
        connections.close_all()

    def meanwhile(*arguments: Any, by: str) -> None:
        if not threads:
            threads.append(threading.Thread(target=by_hand))
            threads[0].start()
            threads[0].join(1)
        write(*arguments, by=by)

    monkeypatch.setattr(KINDS["person"], "write", meanwhile)
    (change,) = apply([write_blueprint(ALICE)]).effective
    threads[0].join(30)
    with tenant_scope(tenants["acme"]):
        name = Person.objects.get(username="alice").name
    assert (name, change.keys[0].old) in (("By hand", "Alice"), ("From the file", "By hand"))
