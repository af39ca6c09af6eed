"""Secrets that blueprints only name are entered without echo and stored encrypted, for each tenant."""

import io
import os
import re
import shlex
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from blueprints.files.apply import apply
from blueprints.files.export import export
from blueprints.files.plan import make_plan
from blueprints.files.secrets import BadSecret, value_of
from blueprints.models import Secret
from idp.accounts.credentials import is_current_password
from idp.accounts.models import Person
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.files.test_plan import command, refused

VALUE = "pässword with spaces "


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, entered: str = "") -> str:
    """Run the command with this standard input and return what it printed."""
    out = StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(entered))
    call_command("secret", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_set_list_remove_without_showing(tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line break at the end is the terminal's, and everything else is the value's.

    Another tenant has no such secret.
    """
    printed = run(monkeypatch, "set", "smtp", "--tenant", "acme", entered=VALUE + "\n")
    printed += run(monkeypatch, "list", "--tenant", "acme")
    assert printed == "Saved smtp.\nsmtp\n"
    with tenant_scope(tenants["acme"]):
        assert value_of("smtp", shared=False) == VALUE
    with tenant_scope(tenants["other"]):
        assert value_of("smtp", shared=False) is None
    assert run(monkeypatch, "list", "--tenant", "other") == ""
    run(monkeypatch, "set", "smtp", "--tenant", "acme", entered="another\n")
    with tenant_scope(tenants["acme"]):
        assert value_of("smtp", shared=False) == "another"
    assert run(monkeypatch, "remove", "smtp", "--tenant", "acme") == "Deleted smtp.\n"
    with pytest.raises(CommandError, match="There is no secret smtp"):
        run(monkeypatch, "remove", "smtp", "--tenant", "acme")


def test_it_is_encrypted_and_reported_without_its_value(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The value is neither in the table nor in the events nor in the log."""
    run(monkeypatch, "set", "smtp", "--tenant", "acme", entered=VALUE)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {Secret._meta.db_table}")  # noqa: S608 the name of our own model
        assert VALUE not in str(cursor.fetchall())
    event = Event.unscoped.get(kind="secret.set")
    assert (event.target, event.actor, event.tenant.name) == ("smtp", "command line", "acme")
    assert VALUE not in str(vars(event)) + caplog.text


@pytest.mark.parametrize(
    ("arguments", "entered", "said"),
    [
        (["set", "../etc", "--tenant", "acme"], "x", "Secret names"),
        (["set", "a b", "--tenant", "acme"], "x", "Secret names"),
        (["set", "empty", "--tenant", "acme"], "\n", "can't be empty"),
        (["set", "long", "--tenant", "acme"], "x" * 70_000, "64 KiB"),
        (["set", "nul", "--tenant", "acme"], "a\0b", "can't be empty"),
        (
            ["set", "a", "--tenant", "nowhere"],
            "x",
            "There is no tenant nowhere. There are: acme, other. Add --new-tenant",
        ),
        (["remove", "a", "--tenant", "nowhere"], "x", "There is no tenant nowhere. There are: acme, other.$"),
        (["set", "a", "value"], "x", "unrecognized arguments"),
    ],
)
def test_what_cannot_be_entered(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, arguments: list[str], entered: str, said: str
) -> None:
    """A value is never among the arguments, where every process of the machine could read it."""
    with pytest.raises(CommandError, match=said):
        run(monkeypatch, *arguments, entered=entered)
    assert not Secret.unscoped.exists()


NORDWIND = "tenant: acme\n---\nperson: clerk\npassword: !secret clerk-password\n"


def test_the_first_apply_with_a_secret_of_ones_own(
    db: None, write_blueprint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/blueprints.md says, apply names the missing secret and how to enter it.

    After that apply works.
    """
    file = write_blueprint(NORDWIND)
    [problem] = refused(file)
    words = re.findall(r"manage.py secret (set .+?), or", problem)[0]
    with pytest.raises(CommandError, match="Add --new-tenant to create it, empty"):
        run(monkeypatch, *shlex.split(words.removesuffix(" --new-tenant")), entered="a-long-password-7\n")
    assert not Tenant.objects.filter(name="acme").exists()
    assert run(monkeypatch, *shlex.split(words), entered="a-long-password-7\n") == "Saved clerk-password.\n"
    apply([file])
    with tenant_scope(Tenant.objects.get(name="acme")):
        assert is_current_password(Person.objects.get(username="clerk"), "a-long-password-7")
    assert make_plan([file]).effective == []
    with pytest.raises(CommandError, match="Use lowercase letters"):
        run(monkeypatch, "set", "x", "--tenant", "No Name", "--new-tenant", entered="a")
    with pytest.raises(CommandError, match="Secret names"):
        run(monkeypatch, "set", "..", "--tenant", "fresh", "--new-tenant", entered="a")
    assert list(Tenant.objects.exclude(name="default").values_list("name", flat=True)) == ["acme"]


def test_a_secret_that_was_made_is_not_missing(db: None, write_blueprint: Callable[..., Path]) -> None:
    """The listing says so, and the value is on its own line, once."""
    code, output = command("apply", write_blueprint(NORDWIND), "--generate-secrets")
    assert code == 0
    assert "is missing" not in output
    assert "+ acme: the secret clerk-password was generated and shown once" in output
    assert (
        len(re.findall(r"^acme: secret clerk-password is \S+ \(shown only now\)$", output, re.MULTILINE)) == 1
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.write_text(""), "The file s in FOYER_SECRETS is empty."),
        (lambda file: file.write_text("\n"), "The file s in FOYER_SECRETS is empty."),
        (
            lambda file: file.mkdir(),
            "s in FOYER_SECRETS is a folder. Each secret must be a file that contains it.",
        ),
        (
            lambda file: os.mkfifo(file),
            "s in FOYER_SECRETS is not a regular file. Each secret must be a file that contains it.",
        ),
        (
            lambda file: file.symlink_to("nowhere"),
            "s in FOYER_SECRETS is not a regular file. Each secret must be a file that contains it.",
        ),
        (lambda file: file.write_bytes(b"\xff"), "The file s in FOYER_SECRETS isn't UTF-8."),
    ],
)
def test_a_file_that_holds_no_secret_is_named(
    tenants: dict[str, Tenant], settings: Settings, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    """It is not passed over for another one, nor generated again."""
    settings.SECRETS = str(tmp_path)
    (tmp_path / "acme").mkdir()
    make(tmp_path / "acme" / "s")
    with tenant_scope(tenants["acme"]), pytest.raises(BadSecret, match=re.escape(said)):
        value_of("s", shared=True)


def test_a_file_that_may_not_be_read_is_no_matter_of_utf_8(
    tenants: dict[str, Tenant], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message points at the permissions."""
    settings.SECRETS = str(tmp_path)
    (tmp_path / "s").write_text("x")

    def forbidden(*args: Any, **options: Any) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", forbidden)
    with (
        tenant_scope(tenants["acme"]),
        pytest.raises(BadSecret, match="has no permission to read"),
    ):
        value_of("s", shared=True)


def test_a_folder_of_secrets_that_is_not_there(
    tenants: dict[str, Tenant], settings: Settings, write_blueprint: Callable[..., Path]
) -> None:
    """Otherwise a mount that failed would look like secrets that were never entered.

    An export still says what it can.
    """
    settings.SECRETS = "/nowhere"
    found = refused(write_blueprint(NORDWIND))
    assert found == [
        "blueprint.yaml:4:1: password: FOYER_SECRETS isn't a folder. Create it, or unset the variable."
    ]
    with tenant_scope(tenants["acme"]):
        assert "client_secret: !secret kiosk-client-secret" in export()


def test_secrets_that_may_be_guessed_and_refresh_tokens_that_never_come(
    acme: Tenant, write_blueprint: Callable[..., Path]
) -> None:
    """The plan notes them where the application changes, and not once it is so."""
    said = (
        "tenant: acme\n---\napplication: cam\ntype: confidential\nclient_secret: abcde\ngrants: "
        "[refresh_token]\nscopes: [openid]\n"
    )
    file = write_blueprint(said)
    assert [note.removeprefix("application cam of acme: ") for note in make_plan([file]).notes] == [
        "The client_secret has fewer than 32 characters and could be guessed.",
        "The client_secret is stored in the file in plain text. Use !secret NAME to keep it out.",
        "The grant refresh_token has no effect without the scope offline_access.",
    ]
    apply([file])
    assert make_plan([file]).notes == []
    file.write_text(said.replace("abcde", "a" * 32).replace("[openid]", "[openid, offline_access]"))
    assert len(make_plan([file]).notes) == 1
