"""The API reference in a real browser is searched and tried with a token.

No page and no storage keeps the token.
"""

from playwright.sync_api import expect

from idp.accounts.models import Person as Account
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import NewPerson
from tests.web.api.conftest import BOTH, mint


def test_an_operation_is_found_and_tried_out(new_person: NewPerson, tenants: dict[str, Tenant]) -> None:
    """The command follows what is typed, and the response is the server's.

    The token stays for the next operation and no longer.
    """
    person = new_person()
    with tenant_scope(tenants["acme"]):
        Account.objects.filter(username="alice").update(role="admin")
        token = mint("admin", BOTH, f"acme.test:{person.server.port}")
    person.open("/device")
    person.sign_in()
    person.open("/console/api/")
    person.fill("Search operations", "groups put")
    person.press("Search")
    person.page.get_by_role("link", name="/api/groups/{key}", exact=True).click()
    person.sees("Create or update a group")
    page, answer = person.page, person.page.locator("[data-status]")
    page.get_by_label("Access token").fill(token)
    page.get_by_label("key", exact=True).fill("the cooks/2")
    assert page.get_by_role("textbox", name="Body").input_value() == "{}"
    assert page.locator("[data-command]").inner_text().endswith("/api/groups/the%20cooks%2F2'")
    assert token not in page.locator("[data-command]").inner_text()
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text("201")
    expect(page.locator("[data-text]")).to_contain_text('"group": "the cooks/2"')
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text("428")
    page.locator(".trail").click()
    page.get_by_role("link", name="/api/me", exact=True).click()
    person.sees("Get the current user")
    expect(page.get_by_label("Access token")).to_have_value(token)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-text]")).to_contain_text('"role": "admin"')
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    assert token not in stored
    assert "the cooks/2" not in stored, "nor what was answered"
    page.reload()
    assert page.get_by_label("Access token").input_value() == ""
