"""What a person decides, or fails to, and the response that the device receives."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from playwright.sync_api import expect

from tests.journeys.browser import NewPerson, Person
from tests.journeys.devices import Device

UNKNOWN = "That code isn't valid or has expired. Check it, or get a new one on your device."


def test_a_denial_is_shown_at_once_and_is_final(device: Device, person: Person) -> None:
    """D9, D31, D32: Back and Approve after a refusal changes nothing (Hydra #4110, Keycloak #36811)."""
    person.at_consent(device.user_code)
    kept = person.new_tab()
    kept.open(person.page.url)  # the page of a browser that does not reload it on Back
    assert device.poll() == "authorization_pending"
    person.press("Deny")
    person.sees("Request denied")
    assert device.poll() == "access_denied"
    person.page.go_back()
    person.sees("Request denied")
    kept.sees("Connect this device?")
    kept.press("Approve")
    kept.sees("Request denied")
    assert device.poll() == "access_denied"


def test_a_code_that_expired_on_the_way(
    device: Device, new_device: Callable[..., Device], person: Person
) -> None:
    """D12, D19: it is too late for the code page and for the decision, with or without a worker.

    The device receives expired_token (CVE-2025-64708).
    """
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        person.open()
        person.sign_in()
        person.sees("Connect a device")
        clock.shift(timedelta(minutes=10, seconds=1))
        person.enter_code(device.user_code)
        assert person.error_at("Code on your device") == UNKNOWN
        assert device.poll() == "expired_token"
        late = new_device()
        person.enter_code(late.user_code)
        person.sees("Connect this device?")
        clock.shift(timedelta(minutes=10, seconds=1))
        person.press("Approve")
        person.sees("That didn't work")
        person.reads("This code was already used or has expired. Start again on your device.")
        assert late.poll() == "expired_token"


def test_a_wrong_code_is_said_at_the_field_and_kept(device: Device, person: Person) -> None:
    """D34: the message is at the field, which has the focus and what was typed.

    The right code then works.
    """
    person.open()
    person.sign_in()
    person.enter_code("BCDF-GHJK")
    assert person.error_at("Code on your device") == UNKNOWN
    assert person.value("Code on your device") == "BCDF-GHJK"
    assert person.page.locator("input:focus").get_attribute("name") == "user_code"
    assert person.page.title().startswith("Error: ")
    person.enter_code(device.user_code)
    person.sees("Connect this device?")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns"])
def test_when_it_goes_on_is_shown_in_ones_own_time(device: Device, new_person: NewPerson, zone: str) -> None:
    """The text has the minutes, and the time is that of the reader's clock.

    Without scripts it says that it is UTC.
    """
    for scripts in (True, False):
        person = new_person(timezone_id=zone, java_script_enabled=scripts)
        person.open()
        person.sign_in("alice" if scripts else "bob")
        for _ in range(6):
            person.enter_code("BCDF-GHJK")
        person.reads("Too many attempts. Try again in 10 minutes.")
        moment = person.page.locator("time[data-local]")
        at = datetime.fromisoformat(str(moment.get_attribute("datetime")))
        expect(moment).to_have_attribute(
            "title", f"{at.astimezone(ZoneInfo(zone)):%H:%M}" if scripts else f"{at:%H:%M} UTC"
        )


def test_five_wrong_codes_and_one_has_to_wait(
    device: Device, new_device: Callable[..., Device], person: Person
) -> None:
    """D15, D34: the sixth is refused with a time, even the right one.

    After that time codes are accepted again.
    """
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        person.open()
        person.sign_in()
        for _ in range(5):
            person.enter_code("BCDF-GHJK")
            person.reads(UNKNOWN)
        with person.page.expect_response(lambda response: response.request.method == "POST") as refused:
            person.enter_code(device.user_code)
        assert refused.value.status == 429
        assert 500 < int(refused.value.header_value("Retry-After") or 0) <= 600
        person.reads("Too many attempts. Try again in 10 minutes.")
        assert device.poll() == "authorization_pending"
        clock.shift(timedelta(minutes=10, seconds=1))
        person.enter_code(new_device().user_code)
        person.sees("Connect this device?")


def test_wrong_passwords_and_the_time_to_wait(new_person: NewPerson) -> None:
    """CVE-2025-53942: an unknown name, an inactive person and an active one read the same text.

    They wait equally long.
    """
    texts, person = {}, new_person(java_script_enabled=False)
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as clock:
        for name in ("alice", "nobody-of-this-name", "inactive"):
            person.open()
            person.fill("Username or email address", name)
            person.press("Continue")
            for _ in range(5):
                person.fill("Password", "wrong")
                person.press("Sign in")
            person.reads("Too many attempts.")
            texts[name] = person.text.replace(name, "NAME")
        assert len(set(texts.values())) == 1, texts
        clock.shift(timedelta(minutes=20))
        person.fill("Password", "wrong")
        person.press("Sign in")
        assert person.error_at("Password") == "Incorrect username or password."
        assert person.value("Password") == ""


def test_a_neighbours_code_does_not_exist(new_device: Callable[..., Device], new_person: NewPerson) -> None:
    """D25: the other tenant has its own appearance and knows neither acme's code nor its session.

    It says so with the same text.
    """
    device = new_device("acme.test")
    person = new_person("acme.test")
    person.open()
    person.sign_in()
    person.sees("Connect a device")
    assert _accent(person) == "#4f46e5"
    person.host = "other.test"
    person.open(f"/device?user_code={device.user_code}")
    person.sees("Sign in")
    person.reads("Other")
    assert person.page.title() == "Sign in · Other"
    assert _accent(person) == "#facc15"
    assert (
        person.page.get_by_role("button", name="Continue").evaluate("it => getComputedStyle(it).color")
        == "rgb(0, 0, 0)"
    )
    person.sign_in()
    person.enter_code(device.user_code)
    assert person.error_at("Code on your device") == UNKNOWN
    assert device.poll() == "authorization_pending"
    assert "Acme" not in person.text


def _accent(person: Person) -> str:
    return str(
        person.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()")
    )


def test_a_complete_link_waits_for_a_post(device: Device, person: Person) -> None:
    """D5, D10, D30: with a living session the link fills the code in and shows it.

    No GET and no reload approves (Keycloak #26100).
    """
    person.open()
    person.sign_in()
    person.sees("Connect a device")
    person.open(device.complete_link)
    person.sees("Connect a device")
    person.reads("Check that this is the code on your device, then continue.")
    assert person.value("Code on your device") == device.user_code
    person.page.reload()
    assert person.value("Code on your device") == device.user_code
    assert device.poll() == "authorization_pending"
    person.press("Continue")
    person.sees("Connect this device?")
    person.reads(device.user_code)
    person.page.reload()
    here = person.page.url
    person.open(f"{here}?decision=approve")
    person.sees("Connect this device?")
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=6), tick=True):
        assert device.poll() == "authorization_pending"
    person.press("Approve")
    person.sees("Approved – return to your device")
    assert isinstance(device.poll(), dict)


def test_a_form_without_an_answer_decides_nothing(device: Device, person: Person) -> None:
    """CVE-2026-49448: the consent page has two buttons and nothing selected beforehand.

    Its form without either stays where it is.
    """
    person.at_consent(device.user_code)
    assert person.page.locator("form :is(input:not([type=hidden]), select, textarea)").count() == 0
    assert [button.strip() for button in person.page.locator("form button").all_inner_texts()] == [
        "Deny",
        "Approve",
    ]
    assert person.page.locator(":focus").count() == 0
    person.page.locator("form").evaluate("form => form.submit()")
    person.page.wait_for_load_state()
    person.reads("This field is required.")
    person.sees("Connect this device?")
    assert device.poll() == "authorization_pending"


@pytest.mark.parametrize("client_id", ["tv", "staff-console"])
def test_who_may_not_use_an_application_is_refused(
    client_id: str, new_device: Callable[..., Device], new_person: NewPerson
) -> None:
    """CVE-2024-38371: an application's groups count on the device path too."""
    device = new_device(client_id=client_id, scope="openid")
    person = new_person()
    person.open()
    person.sign_in("bob")
    person.enter_code(device.user_code)
    person.sees("Connect this device?" if client_id == "tv" else "Access denied")
    if client_id == "staff-console":
        person.reads("Your account doesn't have access to Staff console. Ask an administrator for access.")
    assert device.poll() == "authorization_pending"
