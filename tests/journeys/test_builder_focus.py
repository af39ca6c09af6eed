"""After every action in the builder the focus is on an element, and the next key works."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from flows.editing.drafts import save_draft
from idp.accounts.models import Role
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson, Person
from tests.journeys.console import enter
from tests.support.flows import SHIPPED, drawing

SETTLED = "() => !document.querySelector('#builder[aria-busy]')"


def name(page: Page, step: str) -> Locator:
    """Return the link of a card."""
    return page.locator(f'#builder .step[data-id="{step}"] .name')


class Hands:
    """A keyboard in one flow; after each action the focus must be somewhere in the builder."""

    def __init__(self, person: Person, flow: str) -> None:
        self.page = person.page
        person.open(f"/console/flows/{flow}/")

    def press(self, key: str, announced: str = "") -> "Hands":
        """Press a key and wait until its result is announced."""
        self.page.keyboard.press(key)
        return self.announces(announced)

    def announces(self, words: str = "") -> "Hands":
        """Wait for the announcement that a screen reader gets, and check where the focus is."""
        if words:
            expect(self.page.locator("#said")).to_contain_text(words)
        self.page.wait_for_function(SETTLED)
        where = self.page.evaluate(
            "() => document.activeElement.closest('#builder') ? '' : "
            "document.activeElement.outerHTML.slice(0, 80)"
        )
        assert where == "", f"after {words}: {where}"
        return self

    def on(self, step: str) -> "Hands":
        """Wait until this card has the focus."""
        expect(name(self.page, step)).to_be_focused()
        return self

    def go(self, to: Locator, key: str = "Enter", announced: str = "") -> "Hands":
        """Focus this element, as Tab does, and press a key."""
        to.focus()
        return self.press(key, announced)


@pytest.fixture
def hands(acme: Tenant, new_person: NewPerson) -> Callable[..., Hands]:
    """Return a function that opens the builder with a flow of this name, of the shipped steps."""

    def sit_down(flow: str, *steps: str | dict[str, Any], username: str = "alice") -> Hands:
        if steps:
            save_draft(flow, drawing(*steps, flow=flow).as_json(), by="bob", revision=None)
        person = new_person()
        enter(person, acme, username, Role.EDITOR)
        return Hands(person, flow)

    return sit_down


def test_every_action_keeps_the_focus(hands: Callable[..., Hands]) -> None:
    """It is kept by every key of a card, menu entry, panel and error, and by what is impossible.

    It is kept by undo and redo too, by key and by button.
    """
    at = hands("focus", *SHIPPED)
    page, menu = at.page, at.page.get_by_label("Actions for consent")
    name(page, "consent").focus()
    at.press("d", "consent-2 added").on("consent-2")
    at.press("Control+z", "Undo: consent-2 added").on("finish")  # the card that is now in its place
    at.press("Control+Shift+Z", "Redo: consent-2 added").on("consent-2")
    at.press("Delete", "consent-2 removed").press("Control+z", "Undo: consent-2 removed").on("consent-2")
    at.press("Alt+ArrowUp", "consent-2 moved").on("consent-2").press("Control+z", "Undo: consent-2 moved").on(
        "consent-2"
    )
    at.press("w", "consent-2").press("Control+z", "Undo").press("Control+z", "Undo")
    at.press("ArrowUp").press("ArrowDown")
    name(page, "identification").focus()
    at.press("Alt+ArrowUp", "identification is already first").on("identification")
    entries = page.locator('.step[data-id="consent"] .menu-list button')
    for number in range(entries.count()):
        menu.focus()
        at.press("Enter")
        entries.nth(number).focus()
        with page.expect_response("**/edit") as answered:
            page.keyboard.press("Enter")
        expect(page.locator("#builder")).not_to_have_attribute("data-said", "")
        at.announces()
        if answered.value.status == 200:
            at.press("Control+z", "Undo")
    undo, redo = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Redo")
    at.go(name(page, "finish"), "Alt+ArrowUp", "finish moved")
    at.go(name(page, "finish"), "d", "finish-2 added")
    at.go(undo, announced="Undo: finish-2 added")
    expect(undo).to_be_focused()
    at.go(redo, announced="Redo: finish-2 added")
    expect(undo).to_be_focused()  # there is nothing more to redo
    while undo.is_enabled():
        at.press("Enter", "Undo")
    expect(redo).to_be_focused()
    at.press("Enter", "Redo")
    expect(redo).to_be_focused()


def test_the_panels_keep_the_focus(hands: Callable[..., Hands]) -> None:
    """Settings, conditions, the flow itself and its text keep it, saved and refused."""
    at = hands("panels", *SHIPPED)
    page = at.page
    at.go(name(page, "login"))
    expect(page.get_by_label("ID", exact=True)).to_be_focused()
    page.keyboard.type("!")
    at.press("Enter", "Fix the errors below")
    expect(page.get_by_label("ID", exact=True)).to_be_focused()
    page.get_by_label("ID", exact=True).fill("entry")
    at.press("Enter", "entry").on("entry").press("Control+z", "Undo").press("Control+Shift+Z", "Redo")
    at.go(name(page, "entry"))
    page.get_by_label("Add a condition").select_option(label="Not from a network")
    at.go(page.get_by_role("button", name="Add", exact=True))
    expect(page.get_by_label("Networks")).to_be_focused()
    at.go(page.get_by_role("button", name="Remove condition"))
    expect(page.get_by_label("Add a condition")).to_be_focused()
    at.go(page.locator("#panel").get_by_role("button", name="Save").last, announced="entry").on("entry")
    for panel in ("Add", "Flow", "YAML"):
        at.go(page.locator(".switch").get_by_role("link", name=panel, exact=True))
        expect(page.locator("#panel :focus")).to_have_count(1)
    text = page.get_by_label("YAML")
    text.fill("steps: [")
    at.go(page.get_by_role("button", name="Apply"), announced="Fix the errors below")
    expect(text).to_be_focused()
    text.fill("flow: panels\ntitle: Other\nfor: device_code\nsteps: []\n")
    at.go(page.get_by_role("button", name="Apply"), announced="YAML applied")
    expect(text).to_be_focused()
    at.go(page.locator(".switch").get_by_role("link", name="Flow", exact=True))
    at.press("End")
    page.keyboard.type(" title")
    at.press("Enter", "Flow changed")
    at.go(page.locator(".switch").get_by_role("link", name="Add", exact=True))
    at.go(page.locator("[data-what][data-name=deny]"), announced="deny added").on("deny")
    at.press("Delete", "deny removed")
    at.press("Control+z", "Undo: deny removed").on("deny")


def test_three_keys_lead_to_the_palette(hands: Callable[..., Hands]) -> None:
    """They lead from the top of the page past the navigation and all cards.

    They do so also with a panel beside the flow.
    """
    at = hands("skip", *SHIPPED)
    page = at.page
    for address in ("", "?open=yaml", "?open=flow"):
        page.goto(page.url.partition("?")[0] + address)
        for key in ("Tab", "Tab", "Enter"):
            page.keyboard.press(key)
        expect(page.get_by_label("Search steps")).to_be_focused()


def test_a_condition_takes_a_choice_a_word_and_two_keys(hands: Callable[..., Hands]) -> None:
    """Enter on the choice adds it and moves into its first field, where Enter saves."""
    at = hands("conditions", *SHIPPED)
    page = at.page
    at.go(name(page, "login"))
    page.get_by_label("Add a condition").select_option(label="Not from a network")
    at.go(page.get_by_label("Add a condition"))
    expect(page.get_by_label("Networks")).to_be_focused()
    page.keyboard.type("10.0.0.0/8")
    at.press("Enter", "login").on("login")
    at.go(name(page, "login"))
    expect(page.get_by_label("Networks")).to_have_value("10.0.0.0/8")


@pytest.mark.usefixtures("leaves_unsaved")
def test_leaving_what_is_typed_beside_the_drawing_asks(hands: Callable[..., Hands]) -> None:
    """The page asks for the settings of a step, the flow, its text, and input with errors.

    It asks neither for what was saved nor for a search.
    """
    at = hands("leaving", *SHIPPED)
    page, asked = at.page, list[str]()
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    here = page.url.partition("?")[0]

    def leave(*kinds: str) -> None:
        page.get_by_role("link", name="Overview").click()
        expect(page).to_have_title("Overview · Acme")
        assert asked == list(kinds)
        asked.clear()

    for address, label in (("?at=2", "ID"), ("?open=flow", "Display name"), ("?open=yaml", "YAML")):
        page.goto(here + address)
        page.get_by_label(label, exact=True).press_sequentially("!")
        leave("beforeunload")
    page.goto(here + "?at=2")
    page.get_by_label("ID", exact=True).fill("!")
    at.press("Enter", "Fix the errors below")
    leave("beforeunload")
    page.goto(here + "?at=2")
    page.get_by_label("ID", exact=True).fill("entry")
    at.press("Enter", "entry").on("entry")
    leave()
    page.goto(here + "?open=add")
    page.get_by_label("Search steps").press_sequentially("deny")
    leave()


def test_a_collision_keeps_the_focus(hands: Callable[..., Hands], new_person: NewPerson) -> None:
    """A collision by key, by the menu and from a panel keeps it, and so does an ended session.

    Their version is viewed, and ours is put on top.
    """
    for how in ("key", "menu", "panel"):
        slow, fast = hands(f"both-{how}", *SHIPPED), hands(f"both-{how}", username="bob")
        page = slow.page
        name(page, "login").focus()
        if how == "panel":
            slow.press("Enter")
            expect(page.get_by_label("ID", exact=True)).to_be_focused()
        fast.go(name(fast.page, "finish"), "Delete", "finish removed")
        if how == "key":
            slow.press("d", "Nothing is lost")
        elif how == "menu":
            page.get_by_label("Actions for login").focus()
            slow.press("Enter")
            slow.go(
                page.get_by_role("button", name="Duplicate").locator("visible=true"),
                announced="Nothing is lost",
            )
        else:
            page.keyboard.type("x")
            slow.press("Enter", "Nothing is lost")
        expect(page.get_by_role("link", name="Review their changes")).to_be_focused()
        if how == "key":
            slow.press("Enter")
            expect(page.get_by_role("alert")).to_have_count(0)
            slow.announces().go(page.get_by_role("button", name="Undo"), announced="Undo")
        else:
            slow.go(
                page.get_by_role("button", name="Overwrite with mine"),
                announced="Overwrote the other changes",
            )
            slow.press("ArrowDown")
            assert page.evaluate("document.activeElement.matches('.step .name')")
    page.context.clear_cookies()
    slow.go(name(page, "consent"), "Delete", "Couldn't save your last change").on("consent")


def test_an_address_leads_to_its_card(hands: Callable[..., Hands]) -> None:
    """``?at=`` and ``?step=`` open the card, scroll to it and focus it, in a flow of 80 steps.

    The next key is about it.
    """
    steps = [
        {"stage": "choice", "id": f"ask-{number}", "settings": {"title": "What?"}} for number in range(80)
    ]
    at = hands("long", *steps)
    page = at.page
    for query, step in (("?at=40", "ask-40"), ("?step=ask-50", "ask-50")):
        page.goto(page.url.partition("?")[0] + query)
        at.on(step)
        expect(name(page, step)).to_be_in_viewport()
        expect(page.get_by_label("ID", exact=True)).to_have_value(step)
        at.press("ArrowDown")
    at.on("ask-51").press("d", "ask-80 added").on("ask-80")
