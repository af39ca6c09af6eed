"""A device is connected without a pointer: with Tab, Enter and letters."""

from playwright.sync_api import Page, expect

from tests.journeys.browser import Person
from tests.journeys.devices import Device

OUTLINE = (
    "element => { const style = getComputedStyle(element); return style.outlineStyle !== 'none' && "
    "parseFloat(style.outlineWidth) >= 2 }"
)


def test_from_the_sign_in_to_connected_by_keyboard(device: Device, person: Person) -> None:
    """D9: every field has visible focus when it is asked for, and no one presses Approve by accident."""
    page = person.page
    person.open("/")
    _tab_to(page, "Connect a device")
    page.keyboard.press("Enter")
    person.sees("Sign in")
    assert _focused_field(page) == "name"
    page.keyboard.type("alice")
    page.keyboard.press("Enter")
    person.sees("Enter your password")
    assert _focused_field(page) == "password"
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    person.reads("Incorrect username or password.")
    assert _focused_field(page) == "password"
    page.keyboard.type("alice-password-1")
    page.keyboard.press("Enter")
    person.sees("Connect a device")
    assert _focused_field(page) == "user_code"
    page.keyboard.type(device.user_code.lower())
    page.keyboard.press("Enter")
    person.sees("Connect this device?")
    page.keyboard.press("Enter")  # nothing has the focus
    person.sees("Connect this device?")
    assert _tab_to(page, "Approve") == ["Not you?", "Deny", "Approve"]
    assert device.poll() == "authorization_pending"
    page.keyboard.press("Enter")
    person.sees("Approved – return to your device")
    assert isinstance(device.poll(), dict)


def test_backwards_and_no(device: Device, person: Person) -> None:
    """D9: refusing is as near as approving."""
    person.at_consent(device.user_code)
    assert _tab_to(person.page, "Approve")[-2:] == ["Deny", "Approve"]
    person.page.keyboard.press("Shift+Tab")
    assert _focus_is_visible(person.page)
    person.page.keyboard.press("Space")
    person.sees("Request denied")
    assert device.poll() == "access_denied"


def _focused_field(page: Page) -> str:
    """Return the name of the field that has the focus, and check that the focus is visible."""
    focused = page.locator(":focus")
    expect(focused).to_have_count(1)
    assert _focus_is_visible(page)
    return str(focused.get_attribute("name"))


def _focus_is_visible(page: Page) -> bool:
    return bool(page.locator(":focus").evaluate(OUTLINE))


def _tab_to(page: Page, name: str) -> list[str]:
    """Press Tab until the element with this text has the focus, and return all that had it."""
    passed: list[str] = []
    while name not in passed:
        assert len(passed) < 10, passed
        page.keyboard.press("Tab")
        passed.append(page.locator(":focus").inner_text().strip())
        assert _focus_is_visible(page), passed
    return passed
