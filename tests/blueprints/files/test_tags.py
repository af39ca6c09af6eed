"""Each tag of blueprints is tested right and wrong, and none reaches further than it should.

Secrets are shown nowhere.
"""

import json
import logging
import os
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from blueprints.files import tags
from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from blueprints.files.plan_text import as_json
from blueprints.files.problems import BadBlueprint
from blueprints.files.read import Source, read
from idp.accounts.models import Person
from idp.events.models import Event
from idp.oauth.models import Application, Scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Write


def title(write: Write, value: str, **variables: str) -> Any:
    """Return what this value of a key becomes."""
    return (
        read([write(f"vars: {variables or '{a: b}'}\n---\nscope: a\ntitle: {value}\n")])
        .documents[0]
        .document.title
    )


def problem(write: Write, text: str, **variables: str) -> str:
    """Return the only problem, from its line on."""
    path = write(text)
    with pytest.raises(BadBlueprint) as bad:
        read([path], variables)
    (only,) = bad.value.problems
    return str(only).removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("!env FOYER_WORD", "from outside"),
        ("!env FOYER_WORD else", "from outside"),
        ("!env [FOYER_WORD, else]", "from outside"),
        ("!env FOYER_EMPTY else", ""),
        ("!env FOYER_NOT_THERE else this", "else this"),
        ("!env [FOYER_NOT_THERE, 'else this']", "else this"),
        ("!env [FOYER_NOT_THERE, '']", ""),
        ("!file inside.txt", "the file"),
        ("!file folder/../inside.txt", "the file"),
        ("!vars word", "said"),
        ("!vars 'I {word} it, {word}'", "I said it, said"),
    ],
)
def test_what_a_tag_stands_for(
    write_blueprint: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, becomes: str
) -> None:
    """A tag stands for a text, and a variable that is set to nothing is set."""
    monkeypatch.setenv("FOYER_WORD", "from outside")
    monkeypatch.setenv("FOYER_EMPTY", "")
    (tmp_path / "inside.txt").write_text("the file\n")
    (tmp_path / "folder").mkdir()
    assert title(write_blueprint, written, word="said") == becomes


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("!env FOYER_NOT_THERE", "2:8: The environment variable FOYER_NOT_THERE isn't set and has no default."),  # noqa: E501
        ("!env 9LIVES", "2:8: 9LIVES isn't a valid name of an environment variable."),
        ("!env ''", "2:8: Write a name after !env."),
        ("!env {a: b}", "2:8: Write a name after !env."),
        ("!env [A, b, c]", "2:8: Write a name after !env."),
        ("!env [[A], b]", "2:8: Write a name after !env."),
        ("!env [!env A, b]", "2:8: "),
        ("!env []", "2:8: Write a name after !env."),
        ("!file missing.txt", "2:8: missing.txt isn't a file of at most 1024 KiB."),
        ("!file .", "2:8: . isn't a file of at most 1024 KiB."),
        ("!file ../outside.txt", "2:8: ../outside.txt is outside the blueprint's folder."),
        ("!file /etc/passwd", "2:8: /etc/passwd is outside the blueprint's folder."),
        ("!file folder/../../outside.txt", "2:8: folder/../../outside.txt is outside the blueprint's folder."),  # noqa: E501
        ("!file link", "2:8: link is outside the blueprint's folder."),
        ("!file linked/passwd", "2:8: linked/passwd is outside the blueprint's folder."),
        ("!file circle", "2:8: circle "),
        ("!file pipe", "2:8: pipe isn't a file of at most 1024 KiB."),
        ("!file latin.txt", "2:8: latin.txt isn't UTF-8."),
        ("!file nul.txt", "2:8: nul.txt isn't text: it contains a NUL character."),
        ("!file huge.txt", "2:8: huge.txt isn't a file of at most 1024 KiB."),
        (f"!file {'x' * 5000}", "2:8: xxxx"),
        ("!vars other", "2:8: Unknown variable other. There are: list, word."),
        ("!vars 'a {other} b'", "2:8: Unknown variable other. There are: list, word."),
        ("!vars '{'", "2:8: Unknown variable {. There are: list, word."),
        ("!vars [a, b, c]", "2:8: Write a name after !vars."),
        ("!vars 'all: {list}'", "2:8: Only plain text can be inserted into text"),
        ("!vars list", "2:1: title: Enter text, not a list."),
        ("!secret name", "2:1: title: !secret is only allowed for secrets."),
        ("!secret ../name", "2:8: Secret names have letters, digits, dots, dashes and underscores."),
        ("!secret .hidden", "2:8: Secret names have letters"),
        ("!exec ls", "2:8: Unknown tag !exec. There are: !env, !file, !secret, !vars."),
        ("!!python/object/apply:os.system [ls]", "2:8: Unknown tag !!python/object/apply:os.system."),
        ("!!binary YQ==", "2:8: Unknown tag !!binary."),
        ("!<tag:yaml.org,2002:timestamp> 2026-11-21", "2:8: Unknown tag !!timestamp."),
    ],
)  # fmt: skip
def test_what_a_tag_cannot_stand_for(write_blueprint: Write, tmp_path: Path, written: str, said: str) -> None:
    """It is one problem at the tag, and no detour reads anything outside of the folder."""
    (tmp_path.parent / "outside.txt").write_text("not for you")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "linked").symlink_to("/etc")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "nul.txt").write_bytes(b"a\0b")
    (tmp_path / "huge.txt").write_text("x" * (tags.MAX_FILE + 1))
    found = problem(write_blueprint, f"vars: {{word: w, list: [1]}}\n---\nscope: a\ntitle: {written}\n")
    line, rest = found.split(":", 1)
    assert f"{int(line) - 2}:{rest}".startswith(said), found


def test_an_environment_variable_that_is_no_text(
    write_blueprint: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are not UTF-8 are read as lone surrogates, which no database accepts."""
    monkeypatch.setenv("FOYER_WORD", "a\udcff")
    assert (
        problem(write_blueprint, "person: a\npassword: !env FOYER_WORD\n")
        == "2:11: The value of this tag isn't UTF-8."
    )


@pytest.mark.parametrize(
    "text",
    [
        "vars: 7\n",
        "vars: []\n",
        "vars: [1]\n",
        "vars: {a: 1}\ntenant: a\n",
        "vars: [{}]\nmore: 1\n",
        "!env\nvars: 1\n",
    ],
)
def test_what_is_no_list_of_variables(write_blueprint: Write, text: str) -> None:
    """It is reported at once, and the rest of the file is not read with half of them."""
    with pytest.raises(BadBlueprint) as bad:
        read([write_blueprint(f"{text}---\ntenant: !vars a\n")])
    assert all(each.key == "vars" for each in bad.value.problems)


MANY = """
vars:
  - {name: acme, title: Acme, networks: [10.0.0.0/8]}
  - {name: other, title: Other, networks: []}
---
tenant: !vars name
networks: !vars networks
---
scope: !vars "{name}:write"
title: !vars "Write your {title} data"
description: !vars note
"""


def test_one_file_for_many_tenants(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """The rest of the file is read once for each mapping.

    A variable of the command counts for all, and overrides the file's own.
    """
    apply([write_blueprint(MANY)], variables={"note": "As agreed.", "title": "shared"})
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            scope = Scope.objects.get(name=f"{name}:write")
            assert (scope.title, scope.description) == ("Write your shared data", "As agreed.")
            assert not Scope.objects.filter(name__endswith=":write").exclude(name=f"{name}:write").exists()
    assert Tenant.objects.get(name="acme").networks == ["10.0.0.0/8"]


def test_variables_on_the_command_line(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """A value may have an equals sign, and one without it is a mistake that is named."""
    path, out = str(write_blueprint(MANY)), StringIO()
    call_command("blueprint", "apply", path, "--var", "note=a=b", "--var", "title=T", stdout=out)
    assert "description: a=b" in out.getvalue()
    with pytest.raises(CommandError, match="--var note: write NAME=VALUE"):
        call_command("blueprint", "plan", path, "--var", "note")


def test_what_tags_bring_in_is_bounded(
    write_blueprint: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file does not become a large one.

    It could by one file many times, a long variable many times, or many rounds.
    """
    monkeypatch.setattr(tags, "MAX_VALUES_SIZE", 10_000)
    monkeypatch.setattr(tags, "MAX_FILE", 1000)
    (tmp_path / "long.txt").write_text("x" * 999)
    assert len(read([write_blueprint(f"person: a\ngroups: [{'!file long.txt, ' * 10}]\n")]).documents) == 1
    assert "exceed 10 MiB" in problem(write_blueprint, f"person: a\ngroups: [{'!file long.txt, ' * 11}]\n")
    filled = "vars: {a: !file long.txt}\n---\nscope: a\ntitle: !vars '{a}{a}'\n"
    assert "The text exceeds" in problem(write_blueprint, filled)
    rounds = "vars: [" + "{a: b}, " * 1000 + "]\n" + "---\nscope: a\ntitle: b\n" * 100
    assert problem(write_blueprint, rounds) == "1:1: vars: The file is too large with all of these."


def test_any_change_of_what_was_read_changes_the_digest(
    write_blueprint: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, a file that it names and a variable of either kind cause a watched folder to be applied."""
    word = tmp_path / "word.txt"

    def digest(
        text: str = "scope: a\ntitle: !file word.txt\ndescription: !env FOYER_WORD\n", **variables: str
    ) -> str:
        source: Source = read([write_blueprint(text)], variables)
        return source.digest

    word.write_text("one")
    monkeypatch.setenv("FOYER_WORD", "one")
    first = digest()
    assert digest() == first
    asks = "scope: a\ntitle: !vars more\n"
    assert digest(asks, more="1") != digest(asks, more="2")
    assert digest("scope: a\ntitle: !file word.txt\ndescription: !env FOYER_WORD \n") != first
    word.write_text("two")
    second = digest()
    monkeypatch.setenv("FOYER_WORD", "two")
    assert len({first, second, digest()}) == 3


@pytest.mark.parametrize(
    "text",
    [
        (
            "flow: f\ntitle: T\nfor: device_code\nsteps:\n  - stage: deny\n    settings: {message: !secret "
            "key}\n"
        ),
        (
            "flow: f\ntitle: T\nfor: device_code\nsteps: [{stage: deny}]\ntests: [{name: n, answers: "
            "{deny: {word: [!secret key]}}}]\n"
        ),
        "person: a\nattributes: {key: !secret key}\n",
        "mail: recovery\nsubject: !secret key\n",
        "tenant: a\ndomains: [!secret key]\n",
        "application: a\nclient_id: !secret key\n",
        "vars: {key: !secret key}\n---\nscope: a\ntitle: !vars key\n",
        "vars: {key: !secret key}\n---\nperson: a\npassword: !vars 'x{key}'\n",
    ],
)
def test_a_secret_stands_only_where_it_is_kept_as_one(write_blueprint: Write, text: str) -> None:
    """Elsewhere it would be stored, shown and exported in clear text."""
    assert "secret" in problem(write_blueprint, text)


SECRETS = """
tenant: acme
---
person: clerk
password: !secret carols-password
---
person: driver
password: plain-password-of-driver
---
application: vault
type: confidential
grants: [device_code]
client_secret: !secret vault.secret
"""


def test_a_secret_is_never_printed(
    acme: Tenant, write_blueprint: Write, tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not in a plan or apply, as text or JSON, nor in a repr, an event or the log.

    It works nevertheless.
    """
    caplog.set_level(logging.DEBUG)
    settings.SECRETS = str(tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "carols-password").write_text("clerk-password-xyzzy\n")
    (tmp_path / "secrets" / "vault.secret").write_text("vault-secret-xyzzy")
    path, out = write_blueprint(SECRETS), StringIO()
    for words in (["plan"], ["plan", "--json"], ["apply"], ["plan"]):
        with suppress(SystemExit):
            call_command("blueprint", *words, str(path), stdout=out, stderr=out)
    plan = make_plan([path])
    output = out.getvalue() + caplog.text + repr(plan) + repr(read([path])) + json.dumps(as_json(plan))
    output += str(list(Event.objects.values_list()))
    assert "xyzzy" not in output
    assert "plain-password-of-driver" not in output
    assert "!secret carols-password" in output
    assert Door("acme.test").sign_in("clerk", "clerk-password-xyzzy").step == "device_code"
    assert Application.objects.get(name="vault").secret_hash
    assert Person.objects.get(username="clerk").password.startswith("argon2$")


def test_a_changed_secret_is_a_change(
    acme: Tenant, write_blueprint: Write, tmp_path: Path, settings: Settings
) -> None:
    """The plan says that it changes, not from what to what.

    Applying the same again changes nothing and hashes nothing.
    """
    settings.SECRETS = str(tmp_path)
    (tmp_path / "carols-password").write_text("clerk-password-1\n")
    (tmp_path / "vault.secret").write_text("one")
    files = [write_blueprint(SECRETS)]
    apply(files)
    (tmp_path / "vault.secret").write_text("two")
    (change,) = make_plan(files).effective
    assert [(key.key, key.old, key.new) for key in change.keys] == [
        ("client_secret", "•••", "!secret vault.secret")
    ]
    before = Person.objects.get(username="clerk").password
    apply(files)
    assert make_plan(files).effective == []
    assert Person.objects.get(username="clerk").password == before
