"""The flow builder in a real browser: by mouse, by keyboard alone, and by two people at once.

axe-core reads it too.
"""

import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from flows.documents.document import FlowDocument
from flows.editing.drafts import draft_of, save_draft
from idp.accounts.models import Person as Account
from idp.accounts.models import Role
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson, Person
from tests.support.flows import SHIPPED, drawing

BRANCHED = (
    "identification",
    {
        "stage": "choice",
        "id": "how",
        "settings": {
            "options": [{"value": "home", "title": "At home"}, {"value": "work", "title": "At work"}]
        },
    },
    {
        "group": "away",
        "when": '"staff" in person.groups',
        "on_refusal": "continue",
        "steps": [{"stage": "totp"}],
    },
    "login",
)


@pytest.fixture
def editor(acme: Tenant, new_person: NewPerson) -> NewPerson:
    """Return a function that signs a person in at acme who may edit flows."""

    def sit_down(name: str = "alice", **options: object) -> Person:
        Account.objects.filter(username=name).update(role=Role.EDITOR)
        person = new_person(**options)
        person.open("/device")
        return person.sign_in(name)

    return sit_down


def ids(page: Page) -> list[str]:
    """Return the ids of the cards from top to bottom."""
    return [str(each.get_attribute("data-id")) for each in page.locator("#builder .step").all()]


def card(page: Page, name: str) -> Locator:
    """Return one card."""
    return page.locator(f'#builder .step[data-id="{name}"]')


def are(page: Page, *names: str) -> None:
    """Wait until the flow has these cards, in this order."""
    expect(page.locator("#builder .step .name code")).to_have_text(list(names))


def said(page: Page, text: str) -> None:
    """Wait until this was announced to a screen reader."""
    expect(page.locator("#said")).to_have_text(text)


def stored(name: str) -> FlowDocument:
    """Return the draft as the database has it."""
    draft = draft_of(name)
    assert draft is not None
    return FlowDocument.model_validate(draft.document)


def drag(page: Page, source: Locator, place: str, lane: str = "") -> None:
    """Drag it with the mouse and drop it at the gap of this place, which opens meanwhile."""
    source.hover(position={"x": 60, "y": 20})
    page.mouse.down()
    page.mouse.move(300, 300, steps=3)
    in_lane = f"[data-lane='{lane}']" if lane else ""
    gap = page.locator(f'.definition .gap[data-to="{place}"]{in_lane}').first
    gap.scroll_into_view_if_needed()
    box = gap.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    expect(page.locator(".gap.target")).to_have_attribute("data-to", place)
    page.mouse.up()


def test_a_flow_is_built_by_drag_and_drop(acme: Tenant, editor: NewPerson) -> None:
    """An empty flow becomes one that can be published.

    Stages come from the palette and go into a section, and lint findings come and go.
    """
    person = editor()
    person.open("/console/new-flow/")
    person.fill("Display name", "Shared computers")
    person.page.get_by_label("Purpose", exact=True).select_option(label="Sign-in")
    person.press("Create flow")
    page = person.page
    entry = page.locator("#panel [data-what]")
    drag(page, entry.and_(page.locator('[data-name="login"]')), "0")
    are(page, "login")
    expect(card(page, "login")).to_contain_text("login requires an identified person")
    drag(page, entry.and_(page.locator('[data-name="identification"]')), "0")
    are(page, "identification", "login")
    drag(page, entry.and_(page.locator('[data-name="group"]')), "1")
    are(page, "identification", "group", "login")
    expect(card(page, "group")).to_contain_text("Section group is empty")
    drag(page, entry.and_(page.locator('[data-name="password"]')), "3")
    are(page, "identification", "group", "login", "password")
    said(page, "password added after login")
    drag(page, card(page, "password"), "1.0")
    are(page, "identification", "group", "password", "login")
    said(page, "password moved into group")
    expect(page.locator(".state")).to_contain_text("No issues")
    assert stored("shared-computers").steps[1].steps[0].id == "password"
    page.mouse.move(0, 0)
    card(page, "group").locator(".name").click()
    page.get_by_label("Add a condition").select_option(label="Not from a network")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_label("Networks").fill("10.0.0.0/8")
    page.get_by_role("button", name="Save").last.click()
    expect(card(page, "group")).to_contain_text("Only not from 10.0.0.0/8")
    assert stored("shared-computers").steps[1].when == '!request.ip.within(["10.0.0.0/8"])'


def test_a_flow_is_built_by_keyboard_alone(acme: Tenant, editor: NewPerson) -> None:
    """A card is added, moved, put into a section and out of it, removed and restored.

    Each action is announced, and the focus stays on the card.
    """
    save_draft("keys", drawing(*BRANCHED[:1], *BRANCHED[2:], flow="keys").as_json(), by="bob", revision=None)
    person = editor()
    person.open("/console/flows/keys/")
    page, press = person.page, person.page.keyboard.press
    card(page, "identification").locator(".name").focus()
    press("a")
    expect(page.get_by_label("Search steps")).to_be_focused()
    page.keyboard.type("password. Errors")
    press("Tab")
    press("Enter")
    said(page, "password added before away")
    expect(card(page, "password").locator(".name")).to_be_focused()
    press("Alt+ArrowRight")
    said(page, "password moved before totp in away")
    press("Alt+ArrowDown")
    said(page, "password moved after totp in away")
    press("Alt+ArrowDown")
    said(page, "password is already last.")
    press("Alt+ArrowLeft")
    said(page, "password moved before login")
    for _again in range(2):  # faster than the responses come
        press("Alt+ArrowUp")
    said(page, "password moved before identification")
    are(page, "password", "identification", "away", "totp", "login")
    expect(card(page, "password").locator(".name")).to_be_focused()
    press("Delete")
    said(page, "password removed")
    expect(card(page, "identification").locator(".name")).to_be_focused()
    press("ArrowDown")
    expect(card(page, "away").locator(".name")).to_be_focused()
    press("Control+z")
    said(page, "Undo: password removed")
    are(page, "password", "identification", "away", "totp", "login")
    press("Control+Shift+Z")
    said(page, "Redo: password removed")
    are(page, "identification", "away", "totp", "login")
    card(page, "totp").locator(".name").focus()
    press("Enter")
    expect(page.get_by_label("ID", exact=True)).to_be_focused()
    press("End")
    page.keyboard.type("-app")
    press("Enter")
    are(page, "identification", "away", "totp-app", "login")
    expect(card(page, "totp-app").locator(".name")).to_be_focused()
    assert [step.id for step in stored("keys").steps[1].steps] == ["totp-app"]


def test_two_editors_collide_and_nothing_is_lost(acme: Tenant, editor: NewPerson) -> None:
    """The slower one sees whose change it was and what differs.

    They view the other version, return to their own, and put it on top.
    """
    save_draft("both", drawing(*SHIPPED, flow="both").as_json(), by="bob", revision=None)
    alice, bob = editor("alice"), editor("bob")
    for person in (alice, bob):
        person.open("/console/flows/both/")
    bob.page.get_by_label("Actions for finish").click()
    bob.page.get_by_role("button", name="Remove").last.click()
    are(bob.page, *SHIPPED[:5])
    page = alice.page
    card(page, "login").locator(".name").focus()
    page.keyboard.press("d")
    moved = page.get_by_role("alert")
    expect(moved).to_contain_text("bob saved changes")
    expect(moved).to_contain_text("+ login-2: login after login")
    expect(moved).to_contain_text("+ finish: finish after consent")
    mine = ["identification", "password", "login", "login-2", "device_code", "consent", "finish"]
    are(page, *mine)
    moved.get_by_role("link", name="Review their changes").click()
    are(page, *SHIPPED[:5])
    page.get_by_role("button", name="Undo").click()
    are(page, *mine)
    assert [step.id for step in stored("both").steps] == mine
    card(bob.page, "login").locator(".name").focus()
    bob.page.keyboard.press("Delete")
    bob.page.get_by_role("button", name="Overwrite with mine").click()
    said(bob.page, "Overwrote the other changes")
    assert [step.id for step in stored("both").steps] == [
        "identification",
        "password",
        "device_code",
        "consent",
    ]


def test_a_condition_is_typed_with_help(acme: Tenant, editor: NewPerson) -> None:
    """Variables are offered with type and meaning, and errors are shown before anything is saved.

    The YAML beside it is the same flow. An edit that fails is reported, and the flow stays.
    """
    person = editor()
    person.open("/console/flows/connect-a-device/?step=login")
    page = person.page
    page.get_by_label("Add a condition").select_option(label="Custom expression (CEL)")
    page.get_by_role("button", name="Add", exact=True).click()
    field = page.get_by_label("CEL expression")
    expect(field).to_be_focused()
    field.press_sequentially("person.grou")
    expect(page.get_by_role("option").first).to_contain_text("the names of the person's groups")
    page.keyboard.press("Enter")
    expect(field).to_have_value("person.groups")
    expect(page.locator(".verdict")).to_contain_text("must return true or false, not list")
    field.press_sequentially(".size() > 0")
    expect(page.locator(".verdict")).to_have_text("✓")
    page.get_by_role("link", name="YAML").click()
    expect(page.get_by_label("YAML")).to_have_value(re.compile("when: person.groups.size\\(\\) > 0"))
    page.get_by_label("YAML").fill(
        "flow: connect-a-device\ntitle: Short\nfor: device_code\nsteps:\n  - stage: deny\n  - stage: nope\n"
    )
    page.get_by_role("button", name="Apply").click()
    are(page, "deny", "nope")
    expect(card(page, "nope")).to_contain_text("Unknown stage nope")
    person.context.clear_cookies()  # signed out, in another tab perhaps
    card(page, "nope").locator(".name").focus()
    page.keyboard.press("Delete")
    expect(page.get_by_role("status").first).to_contain_text("Couldn't save your last change")
    are(page, "deny", "nope")


def test_hours_are_filled_in_and_said(acme: Tenant, editor: NewPerson) -> None:
    """Times are time fields, and the zone is the browser's and one of a list.

    Over midnight the card says from when to when.
    """
    bob = editor("bob", timezone_id="America/New_York")
    bob.open("/console/flows/connect-a-device/?step=login")
    page = bob.page
    page.get_by_label("Add a condition").select_option("after_hours")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("Time zone")).to_have_value("America/New_York")
    begins = page.get_by_label("Working hours start")
    expect(begins).to_have_attribute("type", "time")
    expect(begins).to_have_value("08:00")
    begins.fill("22:30")
    page.get_by_label("Working hours end").fill("06:00")
    page.get_by_label("Time zone").fill("Europe/Berln")
    page.locator("#panel").get_by_role("button", name="Save").click()
    expect(page.locator("#panel .condition .error")).to_have_text(
        "Unknown time zone. Choose one from the list, such as Europe/Berlin."
    )
    offered = page.locator("#panel datalist option")
    assert "Europe/Berlin" in [str(each.get_attribute("value")) for each in offered.all()]
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.locator("#panel").get_by_role("button", name="Save").click()
    expect(card(page, "login")).to_contain_text("outside 22:30–06:00 (Europe/Berlin)")
    bob.open("/console/flows/connect-a-device/?step=login")
    expect(page.get_by_label("Working hours start")).to_have_value("22:30")
    expect(page.get_by_label("Working hours end")).to_have_value("06:00")


def test_the_builder_reads_well(acme: Tenant, editor: NewPerson) -> None:
    """B19: axe-core reports no violation, at 390 and 1280 px, in light and dark.

    Nothing is wider than the window.
    """
    save_draft("sign-in", drawing(*BRANCHED, flow="sign-in").as_json(), by="bob", revision=None)
    person = editor()
    page = person.page
    views: list[tuple[str, int, Literal["light", "dark"]]] = [
        ("", 390, "light"),
        ("?step=how", 1280, "dark"),
        ("?open=yaml", 1280, "light"),
    ]
    for query, width, scheme in views:
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        person.open(f"/console/flows/sign-in/{query}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            f"{query} is wider than {width} px"
        )
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, f"{query} {width} {scheme}: {found.generate_report()}"


@pytest.mark.slow
def test_a_card_is_dragged_by_touch_into_a_lane(acme: Tenant, editor: NewPerson) -> None:
    """On a phone the handle drags and everything else scrolls; the card takes the condition of the answer."""
    save_draft("touch", drawing(BRANCHED[1], "login", flow="touch").as_json(), by="bob", revision=None)
    person = editor(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    person.open("/console/flows/touch/")
    page = person.page
    grip = card(page, "login").locator(".grip").bounding_box()
    top = page.locator(".gap.alone").last.bounding_box()
    assert grip is not None
    assert top is not None
    touch = page.context.new_cdp_session(page)
    x, start, end = grip["x"] + 8, grip["y"] + grip["height"] / 2, top["y"] + top["height"] / 2
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": start}]})
    for part in range(1, 9):
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": "touchMove", "touchPoints": [{"x": x + 40, "y": start + (end - start) * part / 8}]},
        )
    expect(page.locator(".gap.target")).to_have_attribute("data-lane", 'steps.how.choice == "work"')
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    said(page, "login moved into how: At work")
    assert stored("touch").steps[1].when == 'steps.how.choice == "work"'
