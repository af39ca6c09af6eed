"""A mistake is stopped in the console, and a change is tested, published, met by a device and undone."""

from playwright.sync_api import expect

from flows.documents.versions import live_version
from idp.accounts.models import Person as Account
from idp.accounts.models import Role
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson
from tests.journeys.devices import ByOAuth2Client

HERE = "/console/flows/connect-a-device"
QUESTION = "  - stage: choice\n    settings: {title: Whose television is it?}\n"


def test_from_a_mistake_to_a_rollback(acme: Tenant, new_person: NewPerson, device: ByOAuth2Client) -> None:
    """Two people at two browsers and a television take part."""
    Account.objects.filter(username="alice").update(role=Role.ADMIN)
    admin = new_person()
    admin.open("/device")
    admin.sign_in("alice")

    # Login comes before the password: lint says so on the card, and nothing can be published.
    admin.open(f"{HERE}/")
    page = admin.page
    page.locator('.step[data-id="login"] .name').focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator('.step[data-id="login"]')).to_contain_text("login requires a verified password")
    page.get_by_role("link", name="Publish…").click()
    admin.reads("Fix errors before publishing")
    expect(page.get_by_role("button", name="Publish", exact=True)).to_be_disabled()

    # It is fixed, and a question is added, manually in YAML.
    admin.open(f"{HERE}/?open=yaml")
    text = page.locator("#panel textarea")
    login, password = "  - stage: login\n", "  - stage: password\n"
    text.fill(text.input_value().replace(login + password, password + QUESTION + login))
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".step .name code")).to_have_text(
        ["identification", "password", "choice", "login", "device_code", "consent", "finish"]
    )
    expect(page.locator(".state")).to_contain_text("No issues")

    # A dry run asks the question. Nothing is written, so no one meets it yet.
    admin.open(f"{HERE}/try?which=draft")
    expect(page.locator("#step-choice")).to_be_visible()
    live = live_version("device_code")
    assert live is not None
    assert live.number == 1
    admin.open(f"{HERE}/publish")
    page.get_by_label("Note").fill("Whose is it?")
    admin.press("Publish")
    admin.reads("Version 2 is live.")

    # Bob's television meets it, while the feed shows it.
    admin.open("/console/live/")
    expect(page.locator("#link")).to_have_text("Live")
    bob = new_person()
    bob.open("/device")
    bob.sign_in("bob")
    bob.sees("Whose television is it?")
    bob.page.get_by_label("Yes").check()
    bob.press("Continue")
    bob.enter_code(device.user_code)
    bob.press("Approve")
    assert isinstance(device.poll(), dict)
    feed = page.locator("#feed")
    expect(feed).to_contain_text("bob")
    expect(feed.locator("li").filter(has_text="approved")).to_have_count(1)

    # It is undone in one action.
    admin.open(f"{HERE}/versions")
    page.get_by_role("link", name="Roll back").click()
    admin.press("Roll back")
    admin.reads("Version 1 is live.")
    again = new_person()
    again.open("/device")
    again.sign_in("bob")
    expect(again.page.get_by_label("Code on your device")).to_be_visible()
