"""The playground in a real browser acts as a device while another browser approves.

Every step is explained on it.
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from idp.accounts.models import Person as Account
from idp.accounts.models import Role
from idp.foundation.sealing import digest
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import NewPerson, Person
from tests.support.applications import save_application


@pytest.fixture
def editor(new_person: NewPerson, tenants: dict[str, Tenant]) -> Person:
    """Return bob, a flow editor, signed in at acme's playground; the television polls every second."""
    with tenant_scope(tenants["acme"]):
        Account.objects.filter(username="bob").update(role=Role.EDITOR)
        save_application("tv", by="test", device_interval=1)
    person = new_person()
    person.open("/device")
    person.sign_in("bob")
    person.open("/console/playground/?application=tv")
    person.sees("Playground")
    return person


def state(page: Page) -> str:
    """Return the state that the device's screen shows."""
    return page.locator("#state").inner_text()


def titles(page: Page) -> list[str]:
    """Return what happened, card by card."""
    return page.locator("#steps h2").all_inner_texts()


def test_a_device_is_connected(editor: Person, new_person: NewPerson) -> None:
    """D3, D12, D32: code and picture appear, and alice approves elsewhere.

    The page shows tokens, claims, refresh and userinfo.
    """
    page = editor.page
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#state")).to_have_text("Waiting for approval…")
    assert page.locator("#qr").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    alice = new_person()
    alice.at_consent(page.locator("#code").inner_text())
    alice.reads("Playground")  # the device's own name
    # a fast alice decides before the first poll
    expect(page.locator("#steps")).to_contain_text("The device polls")
    alice.press("Approve")
    expect(page.locator("#state")).to_have_text("Connected")
    expect(page.locator("#whose")).to_have_text("Alice")
    seen = titles(page)
    assert seen[0] == "The device requests a code"
    assert {
        "The device listens for the decision",
        "The device polls",
        "The device gets its tokens",
    } <= set(seen)
    assert seen[-3:] == ["Access token", "ID token", "The application calls userinfo"]
    timeline = page.locator("#steps")
    for text in (
        "POST /application/o/device/ HTTP/1.1",
        "event: approved",
        '"preferred_username": "alice"',
        '"typ": "at+jwt"',
        "RFC 8628 § 3.2",
    ):
        expect(timeline).to_contain_text(text)
    page.get_by_role("button", name="Refresh tokens", exact=True).click()
    expect(timeline).to_contain_text("The application refreshes its tokens")
    expect(page.locator("#steps h2", has_text="Access token")).to_have_count(2)
    printed = re.findall(
        r'"(?:access_token|refresh_token|id_token|device_code)": "([^"]+)"', timeline.text_content() or ""
    )
    kept = page.evaluate(
        "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state])"
    )
    assert len(printed) == 7
    assert not [secret for secret in printed if secret in kept]


def test_a_denial_reaches_the_page(editor: Person, new_person: NewPerson) -> None:
    """D32: there are no tokens, but the reason and its meaning, and a button to start again."""
    page = editor.page
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#state")).to_have_text("Waiting for approval…")
    alice = new_person()
    alice.at_consent(page.locator("#code").inner_text())
    alice.press("Deny")
    expect(page.locator("#state")).to_have_text("Denied: The request was denied (RFC 8628 section 3.5).")
    expect(page.locator("#steps")).to_contain_text(
        "The person denied the request or isn't allowed to use this application."
    )
    assert "Access token" not in titles(page)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#state")).to_have_text("Waiting for approval…")
    page.get_by_role("button", name="Stop", exact=True).click()
    assert state(page) == "Stopped"


def test_a_service_acts_for_itself(editor: Person, tenants: dict[str, Tenant]) -> None:
    """B18, B25: the typed secret works and is not shown again, and a wrong one is explained."""
    with tenant_scope(tenants["acme"]):
        values = {
            "confidential": True,
            "secret_hash": digest("secret of backup"),
            "scopes": ["acme:read"],
            "grants": ["client_credentials"],
        }
        save_application("backup", by="test", title="Nightly backup", **values)
    page = editor.page
    editor.open("/console/playground/?application=backup")
    editor.fill("Client secret", "wrong")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#state")).to_have_text(
        "Something went wrong: Client authentication failed (RFC 6749 section 5.2)."
    )
    editor.fill("Client secret", "secret of backup")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#whose")).to_contain_text("service-")
    assert titles(page) == ["The service requests a token", "Access token"]
    expect(page.locator("#steps")).to_contain_text('"scope": "acme:read"')
    assert "secret of backup" not in editor.text


def test_by_keyboard_and_without_scripts(editor: Person, new_person: NewPerson) -> None:
    """Enter submits the form, and a browser without scripts shows what it needs."""
    editor.page.get_by_label("Application", exact=True).focus()
    editor.page.get_by_role("checkbox", name="openid").focus()
    editor.page.keyboard.press("Enter")
    expect(editor.page.locator("#state")).to_have_text("Waiting for approval…")
    plain = new_person(java_script_enabled=False)
    plain.open("/device")
    plain.sign_in("bob")
    plain.open("/console/playground/")
    plain.reads("Enable JavaScript for this page")


@pytest.mark.slow
def test_the_pages_read_well(editor: Person, new_person: NewPerson, tenants: dict[str, Tenant]) -> None:
    """axe-core reports nothing on the playground while it waits and when it is done.

    The same holds for the recipes and what they create.
    """
    page = editor.page
    for path in ("", "/kiosk"):
        with tenant_scope(tenants["acme"]):
            Account.objects.filter(username="bob").update(role=Role.ADMIN)
        editor.open(f"/console/applications/new{path}")
        _reads_well(page)
    editor.open("/console/applications/new/service")
    editor.fill("Name", "Nightly backup")
    editor.press("Create application")
    _reads_well(page)
    editor.open("/console/applications/secret/nightly-backup")
    _reads_well(page)
    editor.open("/console/playground/?application=tv")
    _reads_well(page)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#steps")).to_contain_text("authorization_pending")
    _reads_well(page)
    alice = new_person()
    alice.at_consent(page.locator("#code").inner_text())
    alice.press("Approve")
    expect(page.locator("#state")).to_have_text("Connected")
    page.locator("#steps details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    _reads_well(page)


def _reads_well(page: Page) -> None:
    """Check the page on a phone and two desktops, in light and in dark."""
    for width in (390, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, f"{page.url} in {scheme}: {found.generate_report()}"
