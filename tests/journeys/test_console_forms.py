"""The focus in the forms of the console, and what leaving them costs."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from blueprints.objects import edit
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import NewPerson, Person
from tests.journeys.console import enter


def shot(person: Person, name: str) -> None:
    """Save screenshots where ``FOYER_SHOTS`` is set."""
    if folder := os.environ.get("FOYER_SHOTS"):
        for width, height in ((390, 844), (1280, 800)):
            person.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                person.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                person.page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png")


@pytest.fixture
def clerk(tenants: dict[str, Tenant], new_person: NewPerson, java_script_enabled: bool) -> Person:
    """Return an owner of acme at the console, with scripts and without."""
    sitting = new_person(java_script_enabled=java_script_enabled)
    enter(sitting, tenants["acme"])
    return sitting


def test_mistakes_are_brought_to_the_person(clerk: Person) -> None:
    """WCAG 3.3.1, 2.4.2, 2.4.3: the summary of errors has the focus and is in view.

    Its link leads into the field, and what was typed is there.
    """
    clerk.open("/console/people/add")
    expect(clerk.page.get_by_label("Username")).to_be_focused()
    clerk.fill("Username", "clerk")
    clerk.fill("Email address", "nobody")
    clerk.page.get_by_label("Password").fill("short")
    clerk.press("Create")
    expect(clerk.page).to_have_title("Error: Create person · People · Acme")
    summary = clerk.page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    shot(clerk, "wrong-person")
    summary.get_by_role("link", name="Email address").click()
    field = clerk.page.get_by_label("Email address", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_value("nobody")
    expect(field).to_have_accessible_description("Enter a valid email address.")


@pytest.mark.usefixtures("leaves_unsaved")
@pytest.mark.parametrize("java_script_enabled", [True])
@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/console/applications/one/tv", "Display name"),
        ("/console/people/one/bob", "Display name"),
        ("/console/people/add", "Display name"),
        ("/console/branding/", "Display name"),
        ("/console/mails/recovery", "Subject"),
    ],
)
def test_leaving_what_is_not_saved_asks(clerk: Person, path: str, label: str) -> None:
    """The page asks once something was typed, and not before.

    Saving, and coming back to see it, asks nothing.
    """
    page = clerk.page
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    for _ in range(2):
        clerk.open(path)
        page.get_by_label(label, exact=True).focus()
        clerk.press("Overview")
    assert asked == []
    clerk.open(path)
    page.get_by_label(label, exact=True).press_sequentially("x")
    clerk.press("Overview")
    assert asked == ["beforeunload"]


@pytest.mark.usefixtures("leaves_unsaved")
@pytest.mark.parametrize("java_script_enabled", [True])
def test_saving_asks_nothing(clerk: Person) -> None:
    """The page that confirms the change asks nothing either, and one with errors keeps what was typed."""
    asked: list[str] = []
    clerk.page.on("dialog", lambda dialog: asked.append(dialog.type))
    clerk.open("/console/people/one/bob")
    clerk.fill("Display name", "Bob")
    clerk.press("Save")
    clerk.press("Overview")
    assert asked == []
    clerk.open("/console/people/one/bob")
    clerk.fill("Email address", "nobody")
    clerk.press("Save")
    expect(clerk.page.get_by_role("alert")).to_be_focused()
    assert asked == []
    clerk.press("Overview")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("java_script_enabled", [True])
def test_the_drawing_stays_when_the_session_is_gone(clerk: Person, tenants: dict[str, Tenant]) -> None:
    """The builder says so, with a link to sign in elsewhere, and then the same edit succeeds."""
    clerk.open("/console/flows/connect-a-device/")
    cookies = clerk.context.cookies()
    clerk.context.clear_cookies(name="foyer_session")
    said = clerk.page.locator("#said")
    clerk.page.locator("article[data-id=password] .name").focus()
    clerk.page.keyboard.press("Delete")
    expect(said).to_contain_text("Your session expired")
    expect(said.get_by_role("link", name="Sign in again")).to_have_attribute("href", "/sign-in")
    expect(clerk.page.locator("article[data-id=password]")).to_be_visible()
    shot(clerk, "builder-signed-out")
    clerk.context.add_cookies(
        [
            {
                "name": each["name"],
                "value": each["value"],
                "domain": each["domain"],
                "path": each["path"],
                "httpOnly": each["httpOnly"],
                "secure": each["secure"],
                "sameSite": each["sameSite"],
            }
            for each in cookies
        ]
    )
    clerk.page.locator("article[data-id=password] .name").focus()
    clerk.page.keyboard.press("Delete")
    expect(clerk.page.locator("article[data-id=password]")).to_have_count(0)


@pytest.mark.parametrize("java_script_enabled", [True])
def test_what_asks_and_what_is_set_up_looks_well(clerk: Person) -> None:
    """Issuer and client id can be copied.

    The page that asks before a secret is renewed has the focus on the confirming button.
    """
    clerk.open("/console/applications/setup/tv")
    for name in ("Copy the issuer", "Copy the client id"):
        clerk.page.get_by_role("button", name=name).click()
    shot(clerk, "setup")
    clerk.open("/console/applications/secret/kiosk")
    expect(clerk.page.get_by_role("button", name="Rotate secret")).to_be_focused()


def test_a_hundred_groups_are_searched(clerk: Person, tenants: dict[str, Tenant]) -> None:
    """They are in their own box, the selected ones first.

    Searching neither saves nor counts as a change, and removes nothing.
    """
    with tenant_scope(tenants["acme"]):
        for number in range(100):
            edit.save("group", {"group": f"team-{number:02}"}, by="test")
        edit.save("person", {"person": "bob", "groups": ["team-42", "team-99"]}, by="test")
    page = clerk.page
    clerk.open("/console/people/one/bob")
    box, boxes = page.locator(".many"), page.locator(".many input")
    bounds = box.bounding_box()
    assert bounds is not None
    assert bounds["height"] < 320
    assert [each.get_attribute("value") for each in boxes.all()[:3]] == ["team-42", "team-99", "staff"]
    search = page.get_by_label("Search: Groups")
    expect(search).to_be_visible(visible=clerk.scripts)
    page.get_by_role("button", name="Save").scroll_into_view_if_needed()
    shot(clerk, "groups" if clerk.scripts else "groups-no-scripts")
    if clerk.scripts:
        search.press_sequentially("M-07")
        expect(page.locator(".many input:visible")).to_have_count(1)
        search.press("Enter")
        clerk.press("Overview")
        clerk.open("/console/people/one/bob")
        search.press_sequentially("M-07")
        page.get_by_label("team-07").focus()
        page.keyboard.press("Space")
    else:
        page.get_by_label("team-07").check()
    clerk.press("Save")
    with tenant_scope(tenants["acme"]):
        saved = edit.load("person", "bob")
    assert saved is not None
    assert saved.document["groups"] == ["team-07", "team-42", "team-99"]
