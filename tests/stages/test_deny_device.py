"""deny_device: ends a run with a message, and denies the waiting device."""

import pytest

from flows.documents.lint import lint
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import SHIPPED, draw, drawing, events

FOR_ALICE = {
    "stage": "deny_device",
    "when": 'person.username == "alice"',
    "settings": {"message": "Not <b>you</b>."},
}
BOB = ("bob", "bob-password-22")


def test_the_device_is_denied_and_cannot_be_approved_any_more(acme: Tenant, door: Doors) -> None:
    """A decision is final: access_denied (RFC 8628 section 3.5).

    The other tenant's device is not affected.
    """
    draw(*SHIPPED[:4], FOR_ALICE, *SHIPPED[4:])
    device, other_device = door(), door("other.test")
    started, theirs = device.start(), other_device.start()
    seen = door().sign_in().submit(user_code=started.user_code)
    assert seen.title == "Device denied"
    assert "Not &lt;b&gt;you&lt;/b&gt;." in seen.text
    assert device.poll(started).json()["error"] == "access_denied"
    assert other_device.poll(theirs).json()["error"] == "authorization_pending"
    assert door().sign_in(*BOB).submit(user_code=started.user_code).step == "device_code"
    assert Event.objects.get(kind="device.denied").actor == "alice"


def test_with_a_condition_only_those_to_whom_it_applies(acme: Tenant, door: Doors) -> None:
    """Bob connects his device."""
    draw(*SHIPPED[:4], FOR_ALICE, *SHIPPED[4:])
    device, browser = door(), door()
    started = device.start()
    browser.sign_in(*BOB).submit(user_code=started.user_code).submit(decision="approve")
    assert "access_token" in device.poll(started).json()


def test_a_device_that_was_decided_meanwhile_stays_as_it_was(acme: Tenant, door: Doors) -> None:
    """Hydra #4110: of two decisions the first counts; the second gets a message that it came too late."""
    draw(*SHIPPED[:4], {"id": "sure", "stage": "choice"}, FOR_ALICE, *SHIPPED[4:])
    device, late = door(), door()
    started = device.start()
    seen = late.sign_in().submit(user_code=started.user_code)
    door().sign_in(*BOB).submit(user_code=started.user_code).submit(choice="yes").submit(decision="approve")
    assert seen.submit(choice="no").title == "That didn't work"
    assert "access_token" in device.poll(started).json()


def test_opening_a_page_refuses_no_device(acme: Tenant, door: Doors) -> None:
    """A complete link fills the code in.

    Until it is posted nothing is refused, however often the page is opened.
    """
    draw(*SHIPPED[:4], FOR_ALICE, *SHIPPED[4:])
    device, browser = door(), door()
    started = device.start()
    browser.sign_in()
    for _ in range(2):
        assert browser.page(f"/device?user_code={started.user_code}").step == "device_code"
    assert events("device.denied") == 0


@pytest.mark.parametrize("missing", ["login", "device_code"])
def test_who_was_not_proved_and_what_was_not_asked_for(acme: Tenant, missing: str) -> None:
    """Lint finds a flow in which the stage could notify no device, or would let an unknown person do so."""
    steps = [step for step in (*SHIPPED[:4], "deny_device", *SHIPPED[4:]) if step != missing]
    fact = {"login": "a signed-in person", "device_code": "a known request"}[missing]
    assert any(
        finding.message.startswith(f"deny_device requires {fact}") for finding in lint(drawing(*steps))
    )
