"""Living sessions, several tabs, and people who take turns at one browser."""

from collections.abc import Callable

import pytest

from tests.journeys.browser import Person
from tests.journeys.devices import Device, verified


def test_the_second_device_asks_only_for_its_code(
    device: Device, new_device: Callable[..., Device], person: Person
) -> None:
    """D9, D18: a person who is signed in is not asked again, but every device is."""
    person.at_consent(device.user_code)
    person.press("Approve")
    person.sees("Approved – return to your device")
    second = new_device()
    person.open()
    person.sees("Connect a device")
    person.enter_code(second.user_code)
    person.sees("Connect this device?")
    person.reads("alice", second.user_code)
    person.press("Approve")
    person.sees("Approved – return to your device")
    assert isinstance(device.poll(), dict)
    assert isinstance(second.poll(), dict)


@pytest.mark.parametrize("first", [0, 1], ids=["older-first", "newer-first"])
def test_two_tabs_finish_in_either_order(
    first: int, new_device: Callable[..., Device], person: Person
) -> None:
    """Of two tabs, both begun before the sign-in, neither breaks the other (authentik #6954)."""
    devices, tabs = [new_device(), new_device()], [person, person.new_tab()]
    for tab in tabs:
        tab.open()
        tab.fill("Username or email address", "alice")
        tab.press("Continue")
    for at in (first, 1 - first):
        tabs[at].fill("Password", "alice-password-1")
        tabs[at].press("Sign in")
        tabs[at].sees("Connect a device")
    for at in (1 - first, first):
        tabs[at].enter_code(devices[at].user_code)
    for at in (first, 1 - first):
        tabs[at].reads(devices[at].user_code)
        tabs[at].press("Approve")
        tabs[at].sees("Approved – return to your device")
    for device in devices:
        assert isinstance(device.poll(), dict)


def test_another_person_signs_in_meanwhile(
    device: Device, new_device: Callable[..., Device], person: Person
) -> None:
    """D30, D39: "Not you?" starts a new run.

    What the first tab had open ends with a clear page, and approves nothing.
    """
    person.at_consent(device.user_code)
    second, theirs = person.new_tab(), new_device()
    second.open()
    second.reads("alice")
    second.press("Not you?")
    second.sees("Sign in")
    second.sign_in("bob")
    second.sees("Connect a device")
    person.press("Approve")
    person.sees("Someone else signed in")
    assert device.poll() == "authorization_pending"
    second.enter_code(theirs.user_code)
    second.press("Approve")
    second.sees("Approved – return to your device")
    tokens = theirs.poll()
    assert isinstance(tokens, dict)
    userinfo = theirs.http.get(
        theirs.provider["userinfo_endpoint"], headers={"Authorization": f"Bearer {tokens['access_token']}"}
    ).json()
    assert userinfo["preferred_username"] == "bob"
    assert verified(theirs, tokens["id_token"], typ="JWT", audience="tv")["sub"] == userinfo["sub"]
    person.press("Start again")
    person.sees("Connect a device")
    person.reads("bob")


def test_not_you_and_then_the_same_person_after_all(device: Device, person: Person) -> None:
    """The tab that was open goes on: the same person keeps their session, under a new key."""
    person.at_consent(device.user_code)
    second = person.new_tab()
    second.open()
    second.press("Not you?")
    second.sign_in()
    second.sees("Connect a device")
    person.press("Approve")
    person.sees("Approved – return to your device")
    assert isinstance(device.poll(), dict)


def test_signing_out_ends_what_was_open(device: Device, person: Person) -> None:
    """CVE-2025-29928: after "Sign out" the open consent page approves nothing, and no one is signed in."""
    person.at_consent(device.user_code)
    second = person.new_tab()
    second.open("/")
    second.reads("Signed in as Alice")
    second.press("Sign out")
    second.sees("Acme")
    assert "Signed in" not in second.text
    person.press("Approve")
    person.sees("You were signed out")
    assert device.poll() == "authorization_pending"
    second.press("Connect a device")
    second.sees("Sign in")
