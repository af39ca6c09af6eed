"""consent: says what is being approved, and is the only place that decides on a device."""

from datetime import timedelta

import pytest
import time_machine

from idp.accounts.models import Person
from idp.devices.models import DeviceCode
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.support.client import Door, Doors, Seen, Started
from tests.support.flows import device_state, row_of


def at_consent(browser: Door, started: Started) -> Seen:
    """The page that asks."""
    seen = browser.page()
    if seen.step == "identification":
        seen = seen.submit(name="alice").submit(password="alice-password-1")
    return seen.submit(user_code=started.user_code)


def test_the_page_names_application_code_and_requester(door: Doors, clock: time_machine.Traveller) -> None:
    """D9, D17, D18: what is asked for, by whom, from where, how long ago; and to compare the code."""
    started = door(address="198.51.100.23", agent="TV/4.2 <b>").start(
        scope="openid acme:read", device_name="Living room"
    )
    clock.shift(timedelta(seconds=42))
    text = at_consent(door(), started).text
    for part in (
        "Acme TV",
        started.user_code,
        "198.51.100.23",
        "TV/4.2 &lt;b&gt;",
        "Living room",
        "Read your Acme data",
        "42 seconds ago",
    ):
        assert part in text
    assert "a different network from yours" in text
    assert "the same network as you" in at_consent(door(address="198.51.100.23"), started).text


def test_approving_is_one_post(door: Doors) -> None:
    """D30: and the last page only shows the result."""
    browser = door()
    started = browser.start()
    seen = at_consent(browser, started)
    assert device_state(started) == "pending"
    assert seen.submit(decision="approve").title == "Approved – return to your device"
    assert device_state(started) == "approved"


def test_denying_is_one_post_and_final(door: Doors) -> None:
    """D31, Hydra #4110, Keycloak #36811: after a denial neither Back nor another tab approves."""
    browser = door()
    started = browser.start()
    first, second = at_consent(browser, started), at_consent(browser, started)
    assert first.submit(decision="deny").title == "Request denied"
    assert first.submit(decision="approve").title == "Request denied"
    assert second.submit(decision="approve").title == "That didn't work"
    assert device_state(started) == "denied"


def test_an_approval_is_final_too(door: Doors) -> None:
    """D31: the other tab's denial comes too late and says so."""
    browser = door()
    started = browser.start()
    first, second = at_consent(browser, started), at_consent(browser, started)
    first.submit(decision="approve")
    late = second.submit(decision="deny")
    assert "already used or has expired" in late.text
    assert device_state(started) == "approved"


@pytest.mark.parametrize("decision", ["", "yes", "APPROVE", "approve\x00x", "approve,deny", "pending"])
def test_anything_else_decides_nothing(door: Doors, decision: str) -> None:
    """Two values, exactly."""
    browser = door()
    started = browser.start()
    seen = at_consent(browser, started).submit(decision=decision)
    assert (seen.step, device_state(started)) == ("consent", "pending")


def test_an_expired_code_is_not_approved(door: Doors, clock: time_machine.Traveller) -> None:
    """CVE-2025-64708: judged at the moment of the decision, with nothing having swept the row."""
    browser = door()
    started = browser.start()
    seen = at_consent(browser, started)
    clock.shift(timedelta(minutes=10))
    assert "has expired. Start again on your device." in browser.page(seen.path).text
    assert seen.submit(decision="approve").title == "That didn't work"
    assert DeviceCode.unscoped.get().state == "pending"


@pytest.mark.parametrize("change", ["group", "application"])
def test_a_person_who_may_no_longer_use_the_application_cannot_approve(
    acme: Tenant, door: Doors, change: str
) -> None:
    """CVE-2024-38371, D33: checked when the page is entered and again when it is answered."""
    browser = door()
    started = browser.start("staff-console", "openid")
    seen = at_consent(browser, started)
    assert seen.step == "consent"
    if change == "group":
        Person.objects.get(username="alice").groups.clear()
    else:
        Application.objects.filter(name="staff-console").update(is_active=False)
    assert seen.submit(decision="approve").title == "That didn't work"
    assert DeviceCode.objects.get().state == "pending"


def test_scopes_that_were_shown_are_those_that_are_granted(acme: Tenant, door: Doors) -> None:
    """CVE-2024-52287: what grew in the row after the page was shown was not consented to."""
    browser = door()
    started = browser.start(scope="openid")
    seen = at_consent(browser, started)
    DeviceCode.objects.update(scopes=["openid", "email", "offline_access"])
    seen.submit(decision="approve")
    assert DeviceCode.objects.get().scopes == ["openid"]
    assert row_of(seen).state["facts"]["consent"]["scopes"] == ["openid"]
