"""axe-core reads pages of the console in states that only an action leads to.

They are read at 390 and 1280 px, in light and dark.
"""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from flows.editing.drafts import save_draft
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson, Person
from tests.journeys.console import enter
from tests.journeys.test_builder import BRANCHED
from tests.journeys.test_console_pages import violations
from tests.support.flows import drawing


def states(person: Person, other: Person) -> Iterator[str]:
    """Yield the name of each state while the page shows it."""
    page = person.page
    person.open("/console/flows/states/")
    expect(page.get_by_role("link", name="Add step").first).to_be_attached()
    yield "an empty lane"
    page.get_by_label("Actions for login").click()
    yield "the menu of a card"
    page.keyboard.press("Escape")
    page.get_by_label("Search steps").fill("code")
    expect(page.locator("[data-best] li").first).to_be_visible()
    yield "stages searched"
    page.locator(".found summary").click()
    yield "errors to fix"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "the keys"
    page.keyboard.press("Escape")
    other.open("/console/flows/states/")
    other.page.locator('.step[data-id="login"] .name').focus()
    other.page.keyboard.press("Delete")
    expect(other.page.locator("#said")).to_have_text("login removed")
    page.locator('.step[data-id="identification"] .name').focus()
    page.keyboard.press("d")
    expect(page.locator(".moved")).to_be_visible()
    yield "a collision"
    page.get_by_role("button", name="Overwrite").click()
    expect(page.locator(".moved")).to_have_count(0)
    person.open("/console/flows/states/?step=how")
    page.get_by_label("ID", exact=True).fill("!")
    page.keyboard.press("Enter")
    expect(page.locator("#panel [aria-invalid=true]")).to_be_visible()
    yield "a wrong setting"
    person.open("/console/flows/connect-a-device/try")
    expect(page.locator("#path .end")).to_be_visible()
    yield "a dry run with its result"
    person.open("/console/flows/connect-a-device/try?address=nonsense")
    expect(page.locator("#path .bad")).to_be_visible()
    yield "a dry run with a wrong address"
    person.open("/console/people/?q=nobody-at-all")
    yield "a search without a result"
    person.open("/console/events/?area=nonsense")
    yield "a filter that is none"
    person.open("/console/people/add")
    page.locator("main form").evaluate("form => { form.noValidate = true }")
    page.locator("main button.primary").click()
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    yield "a form that is wrong"
    person.open("/console/people/")
    page.get_by_role("checkbox", name="bob").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete")
    yield "asked once more"
    person.open("/console/tenants/")
    yield "not allowed"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("leaves_unsaved")
def test_every_state_reads_well(acme: Tenant, new_person: NewPerson) -> None:
    """B19: there is no violation of any weight, one heading, and nothing wider than the window."""
    save_draft("states", drawing(*BRANCHED, flow="states").as_json(), by="bob", revision=None)
    person = new_person()
    enter(person, acme)
    wrong, page, seen = [], person.page, 0
    views: list[tuple[int, Literal["light", "dark"]]] = [
        (390, "light"),
        (390, "dark"),
        (1280, "dark"),
        (1280, "light"),
    ]
    for name in states(person, person.new_tab()):
        seen += 1
        for width, scheme in views:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            wrong += violations(page, f"{name} {width} {scheme}")
            wrong += [f"{name} is wider than {width}"] if _wide(page) > width else []
    assert seen == 14
    assert wrong == []


def _wide(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))
