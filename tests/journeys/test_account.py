"""The front page, recovery links and error pages, as a person meets them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command

from tests.journeys.browser import NewPerson
from tests.journeys.devices import Device


@pytest.fixture
def recovery_link(tenants: dict[str, object], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the link that the command prints and an administrator sends to alice of acme."""
    call_command("person", "recovery-link", "alice", "--tenant", "acme", "--url", "")
    link = capsys.readouterr().out.strip()
    assert link.startswith("https://acme.test/recover/")
    return link.removeprefix("https://acme.test")


def test_a_new_password_by_a_recovery_link(recovery_link: str, device: Device, new_person: NewPerson) -> None:
    """B15: the link changes nothing until a password is posted, and works once.

    It ends every session of the person.
    """
    person, locked_out = new_person(), new_person(java_script_enabled=False)
    person.at_consent(device.user_code)
    for _ in range(2):
        locked_out.open(recovery_link)
        locked_out.sees("Set a new password")
    person.page.reload()
    person.sees("Connect this device?")
    locked_out.fill("New password", "short")
    locked_out.press("Set password")
    assert "at least 10 characters" in locked_out.error_at("New password")
    locked_out.fill("New password", "one more good password")
    locked_out.press("Set password")
    locked_out.sees("Password changed")
    person.press("Approve")
    person.sees("You were signed out")
    assert device.poll() == "authorization_pending"
    assert locked_out.open(recovery_link).status == 404
    locked_out.sees("This link has expired")
    locked_out.open()
    locked_out.sign_in("alice", "alice-password-1")
    assert locked_out.error_at("Password")
    locked_out.fill("Password", "one more good password")
    locked_out.press("Sign in")
    locked_out.sees("Connect a device")


def test_a_recovery_link_dies_after_a_quarter_of_an_hour(recovery_link: str, new_person: NewPerson) -> None:
    """CVE-2025-64708: expiry is judged when it is opened and when it is posted, without a worker.

    At another tenant the link does not exist.
    """
    person, neighbour = new_person(), new_person("other.test")
    assert neighbour.open(recovery_link).status == 404
    person.open(recovery_link)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=15, seconds=1), tick=True):
        person.fill("New password", "one more good password")
        person.press("Set password")
        person.sees("This link has expired")


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nothing-here", 404, "Page not found"),
        ("/flow/nobody/", 404, "This page has expired"),
        ("/flow/nobody/restart", 405, "That isn't possible here"),
    ],
)
def test_error_pages_lead_on(path: str, status: int, title: str, new_person: NewPerson) -> None:
    """Each says what is wrong under the tenant's name, with the right status, and leads to the start page."""
    person = new_person("other.test", java_script_enabled=False)
    assert person.open(path).status == status
    person.sees(title)
    person.reads("Other", "You are on other.test")
    person.press("Go to the start page")
    person.sees("Other")


def test_a_form_from_elsewhere_is_refused(device: Device, new_person: NewPerson, tmp_path: Path) -> None:
    """D30: login CSRF and a forged approval, posted from another site's page, change nothing."""
    person = new_person()
    person.at_consent(device.user_code)
    action = person.page.locator("form").get_attribute("action")
    evil = tmp_path / "evil.html"
    target = person.server.url("acme.test", str(action))
    evil.write_text(
        f'<!doctype html><title>Evil</title><form method="post" action="{target}"><input name="step" '
        'value="consent">'
        '<button name="decision" value="approve">You won</button></form>'
    )
    tab = person.new_tab()
    tab.page.goto(evil.as_uri())
    tab.press("You won")
    tab.page.wait_for_url("**/flow/**")
    assert device.poll() == "authorization_pending"
    assert tab.title != "Approved – return to your device"
    stranger = new_person()
    assert stranger.open(person.page.url).status == 404
    stranger.sees("This page has expired")
