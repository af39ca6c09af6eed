"""Lists and other pages that load a part of themselves agree with their URL, back and forth.

Their fields and rows follow it.
"""

import pytest
from playwright.sync_api import Page, expect

from flows.documents.versions import live_version, parse_flow
from flows.editing.drafts import save_draft
from flows.editing.publishing import publish
from idp.accounts.people import save_person
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson
from tests.journeys.console import enter
from tests.support.client import Doors
from tests.web.console.pages import inhabit
from web.administration.resources import RESOURCES

AGREE = """() => {
  const asked = new URLSearchParams(location.search)
  const held = [...document.querySelectorAll('.narrow [name], #dry-run [name], .compare [name]')].filter((each) => each.name !== 'order')
  return held.every((each) => each.value === (asked.get(each.name) ?? '')) && document.readyState === 'complete'
}"""  # noqa: E501


def agrees(page: Page) -> dict[str, str]:
    """Wait until every field of the page has the value of the URL, and return those values.

    A field that it does not name is empty.
    """
    page.wait_for_function(AGREE, timeout=5000)
    asked = page.evaluate("() => Object.fromEntries(new URLSearchParams(location.search))")
    return {name: value for name, value in asked.items() if value}


def entries(page: Page) -> int:
    """Return how many entries the history of this tab has."""
    return int(page.evaluate("history.length"))


def back(page: Page) -> None:
    """Go one entry back, and wait until the page of that URL is loaded again."""
    with page.expect_event("load"):
        page.go_back()


def forward(page: Page) -> None:
    """Go one entry forward again."""
    with page.expect_event("load"):
        page.go_forward()


def rows(page: Page, *names: str) -> None:
    """Wait until the list has these rows, in this order."""
    expect(page.locator("#rows tbody tr td:nth-child(2)")).to_have_text(list(names))


def test_there_and_back_in_a_list(acme: Tenant, new_person: NewPerson) -> None:
    """Typing adds nothing to the history, and a filter adds one entry.

    Back, forward and a reload show what the URL says.
    """
    for name in ("carol", "carola"):
        save_person(name, by="test")
    person = new_person()
    enter(person, acme)
    person.open("/console/")
    person.open("/console/people/?order=username")
    page, before = person.page, entries(person.page)
    search = page.get_by_role("searchbox", name="Search")
    for letter in "carol":  # slower than the list waits
        with page.expect_response(lambda response: "q=" in response.url):
            search.press_sequentially(letter)
    rows(page, "carol", "carola")
    assert entries(page) == before
    with page.expect_response(lambda response: "active=no" in response.url):
        page.get_by_label("Active").select_option("no")
    expect(page.get_by_text("No results")).to_be_visible()
    assert entries(page) == before + 1
    assert agrees(page) == {"q": "carol", "active": "no", "order": "username"}
    back(page)
    rows(page, "carol", "carola")
    assert agrees(page) == {"q": "carol", "order": "username"}
    forward(page)
    expect(page.get_by_text("No results")).to_be_visible()
    assert agrees(page)["active"] == "no"
    page.reload()
    assert agrees(page)["active"] == "no"
    back(page)
    rows(page, "carol", "carola")
    with page.expect_response(lambda response: "active=yes" in response.url):
        page.get_by_label("Active").select_option("yes")  # the search is not dropped
    rows(page, "carol", "carola")
    assert agrees(page)["q"] == "carol"
    back(page)
    back(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_every_list_agrees_with_its_address(
    name: str, acme: Tenant, new_person: NewPerson, door: Doors
) -> None:
    """It agrees for everything that a list can be searched and filtered by."""
    inhabit(door())
    person, resource = new_person(), RESOURCES[name]
    enter(person, acme)
    page = person.page
    if person.open(f"/console/{name}/").status != 200:
        assert name == "tenants"
        return
    before = entries(page)
    if resource.listing.search:
        with page.expect_response(lambda response: "q=zz" in response.url):
            page.locator("[data-search]").fill("zz")
        expect(page.locator("#rows .empty")).to_be_visible()
        assert entries(page) == before
    for select in page.locator(".narrow select").all():
        with page.expect_response(lambda response: f"/console/{name}/?" in response.url):
            select.select_option(index=1)
    here = agrees(page)
    for _step in page.locator(".narrow select").all():
        back(page)
        agrees(page)
    assert page.evaluate("new URLSearchParams(location.search).get('q') ?? ''") == here.get("q", "")


def test_there_and_back_in_a_dry_run_and_a_comparison(acme: Tenant, new_person: NewPerson) -> None:
    """These are the other pages that write what was chosen into the URL."""
    live = live_version("device_code")
    assert live is not None
    publish(parse_flow({**live.document, "title": "Another title"}), by="test")
    save_draft("connect-a-device", {**live.document, "title": "A third title"}, by="test", revision=None)
    person = new_person()
    enter(person, acme)
    page = person.page
    person.open("/console/flows/connect-a-device/compare?old=1&new=2")
    with page.expect_response(lambda response: "new=draft" in response.url):
        page.locator("select[name=new]").select_option("draft")
    expect(page.locator("#changes")).to_contain_text("A third title")
    back(page)
    expect(page.locator("#changes")).to_contain_text("Another title")
    assert agrees(page) == {"old": "1", "new": "2"}
    forward(page)
    expect(page.locator("#changes")).to_contain_text("A third title")
    assert agrees(page) == {"old": "1", "new": "draft"}

    person.open("/console/flows/connect-a-device/try")
    with page.expect_response(lambda response: "groups=staff" in response.url):
        page.get_by_label("Groups", exact=True).fill("staff")
        page.keyboard.press("Tab")
    page.wait_for_url(lambda url: "groups=staff" in url)  # the next step begins from this URL
    with page.expect_response(lambda response: "refuses" in response.url):
        page.get_by_label("Answer to password").select_option("refuses")
    page.wait_for_url(lambda url: "refuses" in url)
    back(page)
    expect(page.get_by_label("Answer to password")).to_have_value("passes")
    expect(page.get_by_label("Groups", exact=True)).to_have_value("staff")
    back(page)
    expect(page.get_by_label("Groups", exact=True)).to_have_value("")
    forward(page)
    forward(page)
    expect(page.get_by_label("Answer to password")).to_have_value("refuses")
    expect(page.locator("#step-password")).to_contain_text("Denied")
