"""A dry run in the console updates its path at once and is stored as a flow test.

What is published can be undone.
"""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from flows.documents.versions import live_version
from flows.editing.drafts import draft_of, save_draft
from flows.editing.publishing import publish
from flows.models import Run
from idp.accounts.models import Person as Account
from idp.accounts.models import Role
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson, Person
from tests.support.flows import SHIPPED, drawing

HERE = "/console/flows/connect-a-device"
AWAY = {"stage": "totp", "when": '"sales" in person.groups && !request.ip.within(tenant.networks)'}
LONGER = (*SHIPPED[:2], AWAY, *SHIPPED[2:])


@pytest.fixture
def editor(acme: Tenant, new_person: NewPerson) -> Person:
    """Return alice, who edits flows, and a draft that asks some people for a code."""
    Account.objects.filter(username="alice").update(role=Role.EDITOR)
    save_draft("connect-a-device", drawing(*LONGER).as_json(), by="clerk", revision=None)
    person = new_person()
    person.open("/device")
    person.sign_in()
    return person


def decision(person: Person, step: str) -> str:
    """Return the decision of a step as the page shows it."""
    return person.page.locator(f"#step-{step} .decision").inner_text()


def test_a_dry_run_is_changed_saved_published_and_undone(editor: Person) -> None:
    """Each change starts a new dry run without leaving the page and is in the URL.

    The stored test is shown before publishing.
    """
    page = editor.page
    editor.open(f"{HERE}/try")
    assert decision(editor, "totp") == "Skipped"
    page.get_by_label("Authenticator app").check()
    page.get_by_label("Groups", exact=True).fill("sales")
    page.get_by_label("IP address", exact=True).fill("203.0.113.9")
    page.keyboard.press("Tab")
    page.locator("#step-totp.good").wait_for()
    page.get_by_label("Answer to totp").select_option("Fail")
    page.locator("#step-totp.bad").wait_for()
    expect(page.get_by_role("status")).to_contain_text("Flow denied at")
    page.reload()
    assert decision(editor, "totp") == "Denied – flow ends"
    page.get_by_label("Save as test").fill("sales from elsewhere need a code")
    editor.press("Save test")
    draft = draft_of("connect-a-device")
    assert draft
    assert [(test["name"], test["ends"]) for test in draft.document["tests"]] == [
        ("sales from elsewhere need a code", "denied")
    ]
    editor.open(f"{HERE}/publish")
    assert page.get_by_text("Passed").count() == 1
    page.get_by_label("Note").fill("A code for sales")
    editor.press("Publish")
    editor.reads("Version 2 is live.")
    editor.press("Roll back")
    editor.press("Roll back")
    editor.reads("Version 1 is live.")
    version = live_version("device_code")
    assert version
    assert version.number == 1


def test_the_preview_is_a_picture(editor: Person) -> None:
    """It is the tenant's real page at two widths, and neither keyboard nor mouse reaches into it."""
    page = editor.page
    editor.open(f"{HERE}/preview?step=password&scheme=dark")
    frames = [frame for frame in page.frames if "/preview/page" in frame.url]
    assert sorted(frame.evaluate("innerWidth") for frame in frames) == [390, 1280]
    for frame in frames:
        assert frame.locator("h1").inner_text() == "Enter your password"
        assert frame.evaluate("getComputedStyle(document.body).color") == "rgb(236, 238, 242)"
        assert (
            frame.locator("[autofocus]").evaluate(
                "field => (field.focus(), document.activeElement === field)"
            )
            is False
        )
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
    assert "A" in seen
    assert "INPUT" not in seen


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_sound(
    editor: Person, acme: Tenant, width: int, scheme: Literal["light", "dark"]
) -> None:
    """axe-core reports nothing serious on any of them, and nothing is wider than the window."""
    publish(drawing(*SHIPPED, title="Another"), by="clerk", note="Another title")
    page = editor.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    run = f"../../runs/{Run.objects.latest('pk').identifier}"
    tries = ["try", "try?groups=sales&address=203.0.113.9&do.consent=typed&tests=1", "try?address=nonsense"]
    versions = ["versions", "versions/2", "compare", "publish", "discard", "versions/1/roll-back"]
    for path in [*tries, "preview?step=totp", "preview?step=login", *versions, "runs", run]:
        editor.open(f"{HERE}/{path}")
        found = Axe().run(page).response["violations"]
        assert not [
            (path, each["id"], each["nodes"][0]["html"])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
