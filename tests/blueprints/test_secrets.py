"""Secrets that blueprints only name: entered without showing, kept encrypted, each tenant's own."""

import io
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from blueprints.models import Secret
from blueprints.secrets import value_of
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

VALUE = "pässword with spaces "


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, entered: str = "") -> str:
    """The command with this standard input; what it printed."""
    out = StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(entered))
    call_command("secret", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_set_list_remove_without_showing(tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line break at the end is the terminal's; everything else is the value's. The neighbour has no such secret."""
    printed = run(monkeypatch, "set", "smtp", "--tenant", "acme", entered=VALUE + "\n")
    printed += run(monkeypatch, "list", "--tenant", "acme")
    assert printed == "Kept smtp.\nsmtp\n"
    with tenant_scope(tenants["acme"]):
        assert value_of("smtp", shared=False) == VALUE
    with tenant_scope(tenants["other"]):
        assert value_of("smtp", shared=False) is None
    assert run(monkeypatch, "list", "--tenant", "other") == ""
    run(monkeypatch, "set", "smtp", "--tenant", "acme", entered="another\n")
    with tenant_scope(tenants["acme"]):
        assert value_of("smtp", shared=False) == "another"
    assert run(monkeypatch, "remove", "smtp", "--tenant", "acme") == "Removed smtp.\n"
    with pytest.raises(CommandError, match="There is no secret smtp"):
        run(monkeypatch, "remove", "smtp", "--tenant", "acme")


def test_it_is_encrypted_and_told_without_its_value(tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Neither in the table nor in the events nor in the log."""
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
        (["set", "../etc", "--tenant", "acme"], "x", "A secret's name"),
        (["set", "a b", "--tenant", "acme"], "x", "A secret's name"),
        (["set", "empty", "--tenant", "acme"], "\n", "not empty"),
        (["set", "long", "--tenant", "acme"], "x" * 70_000, "64 KiB"),
        (["set", "nul", "--tenant", "acme"], "a\0b", "not empty"),
        (["set", "a", "--tenant", "nowhere"], "x", "There is no tenant nowhere"),
        (["set", "a", "value"], "x", "unrecognized arguments"),
    ],
)
def test_what_cannot_be_entered(
    tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch, arguments: list[str], entered: str, said: str
) -> None:
    """And never a value among the arguments, where every process of the machine could read it."""
    with pytest.raises(CommandError, match=said):
        run(monkeypatch, *arguments, entered=entered)
    assert not Secret.unscoped.exists()
