"""What the console announces, which keys it has, and whose other window it was."""

from playwright.sync_api import expect

from flows.editing.drafts import save_draft
from idp.accounts.models import Role
from idp.accounts.people import save_person
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson
from tests.journeys.console import enter
from tests.support.flows import SHIPPED, drawing


def test_what_a_search_found_is_said(acme: Tenant, new_person: NewPerson) -> None:
    """It is announced in a region that existed before.

    The searches are in a list, in the palette of stages, in a dry run and in a comparison.
    """
    save_draft(
        "connect-a-device", drawing(*SHIPPED[:5], flow="connect-a-device").as_json(), by="bob", revision=None
    )
    for name in ("carol", "carola"):
        save_person(name, by="test")
    person = new_person()
    enter(person, acme)
    page, announced = person.page, person.page.locator("#announcer[role=status]")
    person.open("/console/people/")
    for words, said in (("carol", "2 results"), ("carola", "1 result"), ("nobody at all", "No results")):
        page.get_by_role("searchbox").fill(words)
        expect(announced).to_have_text(said)
    person.open("/console/flows/connect-a-device/try?which=1")
    page.get_by_label("Answer to password").select_option("refuses")
    expect(announced).to_contain_text("password")
    person.open("/console/flows/connect-a-device/compare?old=1&new=1")
    page.locator("select[name=new]").select_option("draft")
    expect(announced).to_contain_text("difference")
    person.open("/console/flows/connect-a-device/")
    search = page.get_by_label("Search steps")
    search.fill("device code")
    expect(page.locator("#said")).to_contain_text("step")
    expect(page.locator("[data-best] b").first).to_have_text("Device code")
    search.fill("no such stage")
    expect(page.locator("#said")).to_have_text("No matching steps.")
    search.fill("")
    expect(page.locator("[data-section] [data-words]").first).to_be_visible()
    expect(page.locator("[data-best]")).to_be_hidden()
    assert page.locator("[data-section]").first.locator("b").first.inner_text() == "Identification"


def test_the_keys_are_shown(acme: Tenant, new_person: NewPerson) -> None:
    """A button in the navigation and ``?`` show them, and those of the builder where there are cards.

    A touch screen shows neither button nor keys.
    """
    person = new_person()
    enter(person, acme)
    page = person.page
    person.open("/console/")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Search")
    expect(dialog).not_to_contain_text("Duplicate step")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_focused()
    person.open("/console/flows/connect-a-device/")
    page.keyboard.press("?")
    expect(dialog).to_contain_text("Duplicate step")
    thumb = new_person(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    enter(thumb, acme)
    thumb.open("/console/flows/connect-a-device/")
    thumb.page.get_by_role("button", name="Menu").tap()
    expect(thumb.page.get_by_role("link", name="Overview")).to_be_visible()
    expect(thumb.page.locator("kbd").locator("visible=true")).to_have_count(0)
    thumb.page.keyboard.press("Escape")
    expect(thumb.page.get_by_role("link", name="Overview")).to_be_hidden()
    expect(thumb.page.get_by_role("button", name="Menu")).to_be_focused()
    expect(thumb.page.get_by_role("button", name="Menu")).to_have_attribute("aria-expanded", "false")


def test_an_own_other_window_is_no_other_person(acme: Tenant, new_person: NewPerson) -> None:
    """A collision with one's own other window says so."""
    save_draft("own", drawing(*SHIPPED, flow="own").as_json(), by="bob", revision=None)
    person = new_person()
    enter(person, acme, role=Role.EDITOR)
    other = person.new_tab()
    for window in (person, other):
        window.open("/console/flows/own/")
    other.page.locator('.step[data-id="finish"] .name').focus()
    other.page.keyboard.press("Delete")
    expect(other.page.locator("#said")).to_have_text("finish removed")
    person.page.locator('.step[data-id="login"] .name').focus()
    person.page.keyboard.press("d")
    expect(person.page.get_by_role("alert")).to_contain_text("You changed this flow in another window")
    expect(person.page.locator("#said")).to_contain_text("You changed this flow in another window.")
    person.page.get_by_role("button", name="Overwrite").click()
    expect(person.page.locator("#said")).to_have_text("Overwrote the other changes")
