"""Every shipped flow runs in a real browser, at two tenants, with scripts and without.

A second factor is set up, used and removed.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from idp.accounts.credentials import kinds_of
from idp.accounts.models import Person as Account
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import NewPerson, Person
from tests.journeys.devices import Device
from tests.journeys.shipped import ship
from tests.support.credentials import code

PASSWORD = "alice-password-1"


@pytest.fixture
def shipped(tenants: dict[str, Tenant]) -> dict[str, Tenant]:
    """Give both tenants the flows of a new installation."""
    for tenant in tenants.values():
        with tenant_scope(tenant):
            ship()
    return tenants


@pytest.fixture
def ticking() -> Iterator[time_machine.Traveller]:
    """Let time go on, and jump when a test says so."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield traveller


def reads_well(person: Person) -> None:
    """Check the page with axe-core, which needs scripts itself."""
    if not person.scripts:
        return
    result = Axe().run(person.page, options={"resultTypes": ["violations"]})
    assert result.violations_count == 0, f"{person.title}: {result.generate_report()}"


def held_by_alice(tenant: Tenant) -> list[str]:
    """Return the kinds of credentials that alice of this tenant could use now."""
    with tenant_scope(tenant):
        return kinds_of(Account.objects.get(username="alice").pk)


def choose(person: Person, option: str) -> None:
    """Choose one of the answers and go on."""
    person.page.get_by_label(option).check()
    person.press("Continue")


def set_up_an_app(person: Person) -> str:
    """Set up an app from the first question to the front page; the secret is typed off the page."""
    choose(person, "Authenticator app")
    person.sees("Set up your authenticator app")
    reads_well(person)
    secret = person.page.locator(".key").inner_text().replace(" ", "")
    person.fill("Code", "000000")
    person.press("Continue")
    assert "Incorrect code." in person.error_at("Code")
    assert person.page.locator(".key").inner_text().replace(" ", "") == secret, (
        "a wrong code keeps the secret that was scanned"
    )
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.reads("Authenticator app", "Created")
    return secret


def set_up_codes(person: Person) -> list[str]:
    """Set up recovery codes; a reload shows the same ones."""
    choose(person, "Recovery codes")
    person.sees("Save your recovery codes")
    codes = person.page.locator(".codes li").all_inner_texts()
    person.page.reload()
    assert person.page.locator(".codes li").all_inner_texts() == codes
    assert len(set(codes)) == 10
    reads_well(person)
    person.press("I've saved my codes")
    person.reads("10 left")
    return codes


@pytest.mark.slow
def test_two_factors_from_their_set_up_to_their_removal(
    shipped: dict[str, Tenant],
    new_person: NewPerson,
    ticking: time_machine.Traveller,
    java_script_enabled: bool,
) -> None:
    """Credential setup, signing in and signing out work as they are shipped.

    RFC 6238 section 5.2: a code works once; RFC 4226 section 7.3: guessing is throttled, with a time, and a
    right code is refused meanwhile. CVE-2026-49448: nothing passes by an empty answer.
    """
    here, there = ("acme", "other") if java_script_enabled else ("other", "acme")
    tenant, neighbour = shipped[here], shipped[there]
    person = new_person(f"{here}.test", java_script_enabled=java_script_enabled)
    person.open("/")
    person.press("Sign in")
    reads_well(person)
    person.sign_in()
    person.reads("Signed in as Alice", "Your only protection.")
    person.press("Add a second factor")
    person.sees("Sign-in methods")
    secret = set_up_an_app(person)
    ticking.shift(timedelta(minutes=11))
    codes = _prove_again_and_make_codes(person, secret)
    person.press("Sign out")
    person.reads("You're not signed in.")
    _sign_in_with_the_app(person, secret, ticking)
    _sign_out_by_address(person)
    ticking.shift(timedelta(hours=1))  # codes of every kind are guessed from one budget
    _sign_in_with_a_code(person, codes)
    _remove_both(person, ticking, codes[2])
    assert (held_by_alice(tenant), held_by_alice(neighbour)) == (["password"], ["password"])
    with tenant_scope(neighbour):
        assert not Event.objects.filter(actor="alice").exists(), "another tenant was changed"


def _prove_again_and_make_codes(person: Person, secret: str) -> list[str]:
    """Prove oneself again, because the sign-in is older than ten minutes, and create codes.

    The password and a code of the new app are asked once more before anything changes.
    """
    person.press("Manage sign-in methods")
    person.sees("Enter the code")
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.sees("Confirm it's you")
    reads_well(person)
    person.fill("Password", "wrong")
    person.press("Continue")
    assert "Incorrect. Check it" in person.error_at("Password")
    person.fill("Password", PASSWORD)
    person.press("Continue")
    person.sees("Sign-in methods")
    person.page.locator("form").evaluate("form => { form.noValidate = true }")
    person.press("Continue")
    person.reads("Choose an option.")
    reads_well(person)
    return set_up_codes(person)


def _sign_in_with_the_app(person: Person, secret: str, clock: time_machine.Traveller) -> None:
    """Enter wrong codes until the throttle, then the right one, which works only once."""
    person.open("/sign-in")
    person.sign_in()
    person.sees("Confirm it's you")
    reads_well(person)
    person.press("Continue")  # the app is preselected
    person.sees("Enter the code")
    _guess_until_one_waits_for_a_minute(person, clock)
    reads_well(person)
    person.fill("Code", code(0, secret))
    person.press("Continue")
    expect(person.page.get_by_role("alert")).to_contain_text("Try again in 2 minutes.")
    clock.shift(timedelta(minutes=2))
    now = code(0, secret)
    person.fill("Code", now)
    person.press("Continue")
    person.reads("Signed in as Alice")
    _refuse_the_same_code(person, now)


def _guess_until_one_waits_for_a_minute(person: Person, clock: time_machine.Traveller) -> None:
    """Guess until the wait is a minute.

    Each wait is twice as long as the one before, and the first ones end before they can be read.
    """
    for _ in range(20):
        person.fill("Code", "000000")
        person.press("Continue")
        if "Try again in 2 minutes" in person.text:
            return
        if "Too many attempts." in person.text:
            clock.shift(timedelta(minutes=1))
    raise AssertionError("no guess was throttled")


def _refuse_the_same_code(person: Person, used: str) -> None:
    again = person.new_tab()
    again.open("/sign-in?switch")
    again.sign_in()
    again.press("Continue")
    again.fill("Code", used)
    again.press("Continue")
    again.reads("That code was already used. Wait for the next one.")
    again.page.close()


def _sign_out_by_address(person: Person) -> None:
    """Open the URL, which signs no one out, and press the button on its page, which does."""
    for _ in range(2):
        person.open("/sign-out")
        person.sees("Sign out?")
    assert person.page.get_by_role("button").all_inner_texts() == ["Sign out"]
    assert person.page.get_by_role("link").count() == 0
    reads_well(person)
    person.open("/")
    person.reads("Signed in as Alice")
    person.open("/sign-out")
    person.press("Sign out")
    person.reads("You're not signed in.")


def _sign_in_with_a_code(person: Person, codes: list[str]) -> None:
    """Sign in with a recovery code in any spelling; a used one is refused."""
    for wrong, remaining in (("", "9 left"), (codes[0], "8 left")):
        person.open("/sign-in?switch")
        person.sign_in()
        choose(person, "Use a recovery code")
        person.sees("Enter a recovery code")
        if wrong:
            person.fill("Recovery code", wrong)
            person.press("Continue")
            assert "That code isn't valid or was already used." in person.error_at("Recovery code")
            reads_well(person)
        person.fill("Recovery code", codes[1 if wrong else 0].upper().replace("-", " "))
        person.press("Continue")
        person.reads("Signed in as Alice", remaining)


def _remove_both(person: Person, clock: time_machine.Traveller, unused: str) -> None:
    """Remove both factors long after the sign-in, which asks for proof again first.

    A page asks before each is removed, and afterwards a password is enough.
    """
    clock.shift(timedelta(minutes=11))
    person.press("Remove Recovery codes")
    person.sees("Confirm it's you")
    reads_well(person)
    person.fill("Password", PASSWORD)
    person.fill("Authenticator or recovery code", unused)
    person.press("Continue")
    person.sees("Remove your recovery codes?")
    reads_well(person)
    person.press("Cancel")
    person.reads("7 left")
    person.press("Remove Recovery codes")
    person.press("Remove")
    person.press("Remove Authenticator app")
    person.reads("Your account will be protected by your password only.")
    person.press("Remove")
    person.reads("Your only protection.")
    person.press("Sign out")
    person.press("Sign in")
    person.sign_in()
    person.reads("Signed in as Alice")


def test_starting_again_keeps_what_was_proved_and_not_you_does_not(
    shipped: dict[str, Tenant],
    new_person: NewPerson,
    new_device: Callable[..., Device],
    ticking: time_machine.Traveller,
    java_script_enabled: bool,
) -> None:
    """D39: connecting a device with a second factor, a refusal's button goes on behind the sign-in.

    "Not you?" asks for a name, a password and a code. No session ends before another person has proved
    themselves.
    """
    person = new_person(java_script_enabled=java_script_enabled)
    person.open("/credentials")
    person.sign_in()
    secret = set_up_an_app(person)
    unwanted, wanted = new_device(), new_device()
    ticking.shift(timedelta(seconds=30))
    person.open("/device")
    person.sees("Enter the code")  # setting the app up was no proof
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.enter_code(unwanted.user_code)
    person.sees("Connect this device?")
    person.press("Deny")
    person.sees("Request denied")
    reads_well(person)
    person.press("Start again")
    person.sees("Connect a device")
    assert unwanted.poll() == "access_denied"
    person.press("Not you?")
    person.sign_in()
    person.sees("Enter the code")
    ticking.shift(timedelta(seconds=30))
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.enter_code(wanted.user_code)
    person.sees("Connect this device?")
    person.press("Approve")
    person.sees("Approved – return to your device")
    assert isinstance(wanted.poll(), dict)
    person.open("/device?switch")
    person.sign_in("bob")
    person.enter_code(new_device(client_id="staff-console", scope="openid").user_code)
    person.sees("Access denied")
    reads_well(person)
    person.press("Start again")
    person.sees("Connect a device")
    person.reads("bob")


def test_a_tenant_without_a_flow_says_so(shipped: dict[str, Tenant], person: Person) -> None:
    """It is a page with the common layout and the right status, and it leads on."""
    for path in ("/sign-up", "/recovery"):
        assert person.open(path).status == 404
        person.sees("This isn't set up yet")
        reads_well(person)
        person.press("Go to the start page")
        person.sees("Acme")


def test_a_second_factor_by_keyboard(shipped: dict[str, Tenant], new_person: NewPerson) -> None:
    """A person without a pointer sets up recovery codes, signs out, and signs in with one of them.

    They use letters, Tab, arrows and Enter.
    """
    person = new_person("other.test")
    page, keys = person.page, person.page.keyboard
    person.open("/")
    _tab_to(page, "Sign in")
    keys.press("Enter")
    _type_name_and_password(person)
    person.reads("Signed in as Alice")
    _tab_to(page, "Add a second factor")
    keys.press("Enter")
    person.sees("Sign-in methods")
    _tab_to_field(page, "choice")
    keys.press("ArrowDown")  # from the first, which Tab reached, to the second
    keys.press("Enter")
    person.sees("Save your recovery codes")
    codes = page.locator(".codes li").all_inner_texts()
    _tab_to(page, "I've saved my codes")
    keys.press("Enter")
    person.reads("10 left")
    _tab_to(page, "Sign out")
    keys.press("Enter")
    person.reads("You're not signed in.")
    _tab_to(page, "Sign in")
    keys.press("Enter")
    _type_name_and_password(person)
    person.sees("Enter a recovery code")
    assert _focused(page)["name"] == "code"
    keys.type(codes[0])
    keys.press("Enter")
    person.reads("9 left")


def _type_name_and_password(person: Person) -> None:
    for title, name, text in (("Sign in", "name", "alice"), ("Enter your password", "password", PASSWORD)):
        person.sees(title)
        assert _focused(person.page)["name"] == name
        person.page.keyboard.type(text)
        person.page.keyboard.press("Enter")


def _focused(page: Page) -> dict[str, str]:
    """Return the element that has the focus, and check that the focus is visible."""
    look = """element => { const style = getComputedStyle(element); return {
        name: element.name || '', text: element.innerText.trim(),
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 ? 'yes' : '' } }"""
    found: dict[str, Any] = page.locator(":focus").evaluate(look)
    assert found["seen"], found
    return found


def _tab_to(page: Page, text: str) -> None:
    _tab(page, lambda found: found["text"] == text)


def _tab_to_field(page: Page, name: str) -> None:
    _tab(page, lambda found: found["name"] == name)


def _tab(page: Page, reached: Callable[[dict[str, str]], bool]) -> None:
    for _ in range(10):
        page.keyboard.press("Tab")
        if reached(_focused(page)):
            return
    raise AssertionError("ten times Tab did not come there")
