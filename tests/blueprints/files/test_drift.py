"""Drift says which key was changed manually since a blueprint was applied, by whom and when.

It is reported once when it begins and once when it ends.
"""

import json
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blueprints.files.apply import apply
from blueprints.files.drift import find_drift, stored_drift
from blueprints.objects.kind import HIDDEN
from blueprints.tasks import look_for_drift
from idp.accounts.bulk import delete_groups
from idp.accounts.credentials import hash_password, store_password
from idp.accounts.people import by_username, save_person
from idp.events.changes import change_tenant, reset_mail_template, save_mail_template
from idp.events.feed import events_since
from idp.foundation.sealing import digest
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application, save_scope
from tests.support.client import Write
from tests.support.flows import draw

MAIL = "tenant: acme\n---\nmail: recovery\nsubject: S\ntext: Hello {{ link }}\n"


def command(*arguments: str) -> tuple[int, str]:
    """Return the exit code and the output."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("blueprint", "drift", *arguments, stdout=out)
    return int(ended.value.code or 0), out.getvalue()


def events_of(kind: str) -> list[dict[str, Any]]:
    """Return the events of this kind in the tenant in scope."""
    return [event for event in events_since(0, most=1000).rows if event["kind"] == kind]


def test_nothing_drifts_by_itself(acme: Tenant) -> None:
    """There is no drift right after applying, in both tenants."""
    assert find_drift() == []
    assert command("--tenant", "other") == (0, "No drift.\n")


def test_each_key_with_who_and_when(acme: Tenant, other: Tenant, clock: time_machine.Traveller) -> None:
    """A change from the console or by the person is drift, of a flow step by step.

    Each tenant has its own drift.
    """
    clock.shift(60)
    save_application("tv", by="alice", device_interval=9, scopes=["openid"], verified=True)
    save_person("bob", by="bob", email="robert@acme.test")
    draw("identification", "password", "deny")
    with tenant_scope(other):
        assert find_drift() == []
    found = {(each.kind, each.name): each for each in find_drift()}
    assert set(found) == {("application", "tv"), ("person", "bob"), ("flow", "connect-a-device")}
    # what no document said may change
    assert [(key.key, key.new) for key in found["application", "tv"].keys] == [("scopes", ["openid"])]
    bob, flow = found["person", "bob"], found["flow", "connect-a-device"]
    assert [(key.key, key.old, key.new) for key in bob.keys] == [
        ("email", "bob@acme.test", "robert@acme.test")
    ]
    assert (bob.by, flow.by, found["application", "tv"].by) == ("bob", "test", "alice")
    assert bob.at == timezone.now().isoformat()
    assert "device_code" in str(flow.keys)


def test_every_kind_names_its_author(acme: Tenant, write_blueprint: Write) -> None:
    """The author is named for a tenant, scope, mail or group that was changed or removed."""
    apply([write_blueprint(MAIL, "mail.yaml")])
    change_tenant(by="alice", title="Acme, Inc.", domains=["acme.test"], approved=True)
    save_scope("acme:read", by="alice", description="All of it")
    save_mail_template("recovery", by="alice", subject="Changed")
    delete_groups(["staff"], by="bob")
    found = {each.kind: each for each in find_drift()}
    assert {kind: [key.key for key in each.keys] for kind, each in found.items()} == {
        "tenant": ["title", "domains"],
        "group": [""],
        "mail": ["subject"],
        "person": ["groups"],
    }  # no file contains the scope's description
    assert {kind: each.by for kind, each in found.items()} == {
        "tenant": "alice",
        "group": "bob",
        "mail": "alice",
        "person": "",
    }
    assert events_of("scope.changed")[0]["data"] == {"keys": ["description"]}
    reset_mail_template("recovery", by="bob")
    assert [(each.keys[0].new, each.by) for each in find_drift() if each.kind == "mail"] == [
        ("deleted", "bob")
    ]


def test_a_secret_drifts_without_being_shown(acme: Tenant) -> None:
    """The report says only that the secret of a person or an application is another one."""
    alice = by_username("alice")
    assert alice
    hashed = hash_password("a-new-password-7")
    store_password(alice, hashed, by="alice")
    save_application("kiosk", by="bob", secret_hash=digest("new"))
    assert [
        (each.name, each.by, [(key.key, key.old, key.new) for key in each.keys]) for each in find_drift()
    ] == [
        ("alice", "alice", [("password", HIDDEN, HIDDEN)]),
        ("kiosk", "bob", [("client_secret", HIDDEN, HIDDEN)]),
    ]
    _, text = command("--tenant", "acme", "--json")
    assert hashed not in text
    assert digest("new") not in text


def test_the_command_says_it_with_an_exit_code(acme: Tenant) -> None:
    """It exits with 0 for none and 2 for some, as text and as JSON, for one blueprint or all."""
    save_person("alice", by="bob", name="A.")
    code, text = command("--tenant", "acme")
    assert code == 2
    assert "~ person alice of the blueprint acme, by bob at " in text
    assert "    name: Alice → A." in text
    code, text = command("--tenant", "acme", "--json", "--blueprint", "acme")
    assert (code, json.loads(text)[0]["keys"]) == (2, [{"key": "name", "old": "Alice", "new": "A."}])
    with pytest.raises(
        CommandError, match=r"There is no blueprint acne in tenant acme\. Did you mean acme\?"
    ):
        command("--tenant", "acme", "--blueprint", "acne")
    assert command("--tenant", "other")[0] == 0


def test_it_is_reported_once_and_its_end_too(acme: Tenant, other: Tenant) -> None:
    """The task stores it for the console.

    Only its beginning and its end are events, in its own tenant.
    """
    look_for_drift()
    assert stored_drift() == []
    save_person("alice", by="bob", name="A.")
    for _ in range(3):
        look_for_drift()
    save_person("alice", by="bob", name="B.")
    look_for_drift()
    assert [each["keys"][0]["new"] for each in stored_drift()] == ["B."]
    (event,) = events_of("blueprint.drifted")
    assert (event["target"], event["data"]) == (
        "alice",
        {"blueprint": "acme", "what": "person", "keys": ["name"], "by": "bob"},
    )
    save_person("alice", by="bob", name="Alice")
    look_for_drift()
    look_for_drift()
    assert stored_drift() == []
    assert len(events_of("blueprint.drift_ended")) == 1
    with tenant_scope(other):
        assert events_of("blueprint.drifted") == []


def test_applying_again_fixes_it(acme: Tenant, write_blueprint: Write) -> None:
    """What was noted is gone at once."""
    save_person("alice", by="bob", name="A.")
    look_for_drift()
    apply([write_blueprint("tenant: acme\n---\nperson: alice\nname: Alice\n")])
    assert find_drift() == []
    assert stored_drift() == []


def test_queries_do_not_grow(acme: Tenant, write_blueprint: Write) -> None:
    """They do not grow with what is owned or with what drifted."""

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            find_drift()
        return len(caught)

    save_person("alice", by="bob", name="A.")
    few = queries()
    people = "".join(f"---\nperson: p{at}\nname: P\n" for at in range(30))
    apply([write_blueprint(f"tenant: acme\n{people}", "more.yaml")])
    for at in range(10):
        save_person(f"p{at}", by="bob", name="Q")
    assert len(find_drift()) == 11
    assert queries() == few
