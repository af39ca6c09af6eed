"""The first page of the console: what happened, pending requests and alerts, limited by role."""

import re

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blueprints.files.apply import record_result
from blueprints.files.drift import record_drift
from idp.accounts.people import save_person
from idp.events.bus import publish
from idp.oauth import keys
from idp.outbox.models import Delivery
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application
from tests.support.client import Door, Doors
from tests.support.credentials import give_totp


def signed_in(door: Doors, role: str, host: str = "acme.test") -> Door:
    """Return a door signed in as alice with this role; call it with her tenant in scope."""
    save_person("alice", role=role, by="test")
    browser = door(host)
    browser.sign_in()
    return browser


def totals(text: str) -> list[str]:
    """Return the large numbers of the charts."""
    return re.findall(r'<p class="total">(\d+)</p>', text)


def test_the_charts_show_what_happened(
    acme: Tenant, other: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """Sign-ins, approvals, denials and failures are bars, and the same numbers are an accessible table."""
    browser = signed_in(door, "auditor")
    started, denied = browser.start(), browser.start()
    browser.approve(started)
    browser.page("/device").submit(user_code=denied.user_code).submit(decision="deny")
    door().page().submit(name="bob").submit(password="wrong")
    with tenant_scope(other):
        publish("session.started", actor="bob")
    page = browser.page("/console/")
    assert totals(page.text) == ["1", "1", "1", "1"]
    assert page.text.count("<rect ") == 4
    assert page.text.count('<td class="number">1</td>') == 4
    clock.shift(7200)
    assert totals(browser.page("/console/").text) == ["0", "0", "0", "0"]
    assert totals(browser.page("/console/?over=day").text) == ["1", "1", "1", "1"]
    assert browser.page("/console/?over=nonsense").status == 200


def test_pending_devices_are_listed_until_they_are_decided(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """The latest five pending requests are listed with a link each and their total.

    The list shows neither a code nor another tenant's device.
    """
    browser = signed_in(door, "helpdesk")
    door("other.test").start()
    assert "No pending requests" in browser.page("/console/").text
    started = [browser.start() for _ in range(6)]
    text = browser.page("/console/").text
    assert (len(re.findall(r"/console/devices/\d+/", text)), '<span class="badge warn">6</span>' in text) == (
        5,
        True,
    )
    assert not any(each.user_code in text for each in started)
    clock.shift(600)
    assert "No pending requests" in browser.page("/console/").text


def test_what_wants_to_be_looked_at(acme: Tenant, door: Doors) -> None:
    """Alerts cover manual changes, abandoned mails, expiring keys and administrators with only a password.

    Each links to what fixes it.
    """
    browser = signed_in(door, "admin")
    save_person("bob", role="editor", by="test")
    save_application("tv", by="alice", title="Something else")
    record_drift()
    keys.rotate(by="test")
    Delivery.objects.create(
        kind="mail",
        state="failed",
        ended_at=timezone.now(),
        posted_at=timezone.now(),
        due_at=timezone.now(),
        why="No such host.",
    )
    text = browser.page("/console/").text
    for words in (
        "bob has no second factor",
        "has drifted from its blueprint",
        "application tv",
        "1 email could not be delivered",
        "No such host.",
    ):
        assert words in text, words
    assert "An old signing key is retiring" in text
    give_totp("bob")
    assert "bob has no second factor" not in browser.page("/console/").text


def test_no_alert_is_about_another_tenant(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Rule 5: alerts name no other tenant's objects.

    A failed blueprint is the installation's, because its messages may name another tenant's objects.
    """
    with tenant_scope(other):
        save_person("bob", role="admin", by="test")
        keys.rotate(by="test")
    record_result("nightly", "", "test", counts={}, messages=["other.yaml: no such group"], succeeded=False)
    browser = signed_in(door, "owner")
    text = browser.page("/console/").text
    for words in ("bob", "retiring", "nightly", "no such group"):
        assert words not in text, words


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("editor", set()),
        (
            "auditor",
            {"Pending device requests", "data-changes"},
        ),  # read-only
        ("admin", {"alice has no second factor", "Pending device requests", "data-changes"}),
    ],
)
def test_a_role_sees_its_part(acme: Tenant, door: Doors, role: str, sees: set[str]) -> None:
    """A flow editor sees the page without devices, people and events."""
    browser = signed_in(door, role)
    browser.start()
    page = browser.page("/console/")
    assert page.status == 200
    assert {
        words
        for words in ("alice has no second factor", "Pending device requests", "data-changes")
        if words in page.text
    } == sees


def test_few_queries_with_any_number_of_rows(acme: Tenant, door: Doors) -> None:
    """The page takes twenty queries at most, with many rows as with few."""
    browser = signed_in(door, "owner")

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert browser.page("/console/").status == 200
        return len(found)

    few = queries()
    for number in range(20):
        browser.start()
        save_person(f"clerk-{number}", role="helpdesk", by="test")
    keys.rotate(by="test")
    assert (queries(), few <= 20) == (few, True)
