"""The owner follows the first steps from an empty installation to a device that is signed in.

It takes under three minutes in a real browser.
"""

import time

import pytest
from playwright.sync_api import expect

from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson, Person
from tests.support.credentials import code
from tests.web.console.signed_in import installed


@pytest.fixture
def owner(new_person: NewPerson) -> Person:
    """Return alice, who has just installed it; only the shipped flows and she exist."""
    installed()
    person = new_person("localhost")
    person.open("/console/first-steps/")
    person.sign_in()
    person.sees("Get started")
    return person


def ticked(person: Person) -> int:
    """Return how many steps are done."""
    return person.page.locator(".first-steps .done").count()


def test_the_first_steps_lead_to_a_device_that_is_signed_in(owner: Person, new_person: NewPerson) -> None:
    """Each step leads on, and back to the list.

    They are name and color, a second factor, an application by recipe, and a device in the playground.
    """
    begun = time.monotonic()
    assert ticked(owner) == 0
    owner.press("Add branding")
    owner.fill("Display name", "Bakery")
    owner.page.get_by_label("Accent color", exact=True).fill("#0f766e")
    expect(owner.page.frame_locator("iframe").get_by_text("Bakery")).to_be_visible()
    owner.press("Save")
    assert Tenant.objects.get(name="default").title == "Bakery"
    owner.open("/console/")
    expect(owner.page.get_by_role("heading", name="Get started 1/5")).to_be_visible()

    owner.press("Set up a second factor")
    owner.sees("Sign-in methods")
    owner.page.get_by_label("Authenticator app").check()
    owner.press("Continue")
    secret = owner.page.locator(".key").inner_text().replace(" ", "")
    owner.fill("Code", code(0, secret))
    owner.press("Continue")
    owner.sees("Get started")
    assert ticked(owner) == 2

    owner.press("Choose a template")
    owner.press("TV or appliance")
    owner.page.get_by_label("Name", exact=True).fill("Oven")
    owner.press("Create application")
    owner.open("/console/first-steps/")
    assert ticked(owner) == 3
    owner.press("Open playground")
    owner.page.get_by_label("Application", exact=True).select_option(label="Oven")
    owner.page.get_by_role("button", name="Start", exact=True).click()
    expect(owner.page.locator("#state")).to_have_text("Waiting for approval…")

    phone = owner.new_tab()
    phone.open("/device")
    phone.sees("Enter the code")  # setting an app up proved nothing yet; its first code is spent
    phone.fill("Code", code(1, secret))
    phone.press("Continue")
    phone.enter_code(owner.page.locator("#code").inner_text())
    phone.sees("Connect this device?")
    phone.reads("Bakery", "Oven")
    phone.press("Approve")
    expect(owner.page.locator("#state")).to_have_text("Connected", timeout=15_000)
    owner.open("/console/first-steps/")
    assert ticked(owner) == 4
    owner.reads("all set")
    assert time.monotonic() - begun < 180, "longer than three minutes without a pause"
    owner.open("/console/")
    expect(owner.page.get_by_role("heading", name="Get started")).to_have_count(0)
