"""A flow that ends at another site's URL leads the browser there.

The policy of our forms does not prevent it.
"""

from typing import Any

import pytest
from playwright.sync_api import expect

from idp.tenancy.models import Tenant
from tests.journeys.browser import Person
from tests.support.flows import draw


@pytest.mark.parametrize("before", ["answered", "at once"])
def test_a_redirect_leads_to_another_site(acme: Tenant, person: Person, live: Any, before: str) -> None:
    """It leads there after a form was posted, and as the first step of a flow.

    ``form-action`` covers redirects too. Back leads nowhere else.
    """
    target = f"http://127.0.0.1:{live.port}/health/live?a=b&c=%22"
    steps = ["identification"] if before == "answered" else []
    draw(*steps, {"stage": "redirect", "settings": {"to": target}})
    person.page.goto(live.url("acme.test", "/device"))
    if before == "answered":
        person.page.get_by_label("Username or email address").fill("bob")
        person.page.get_by_role("button", name="Continue").click()
    expect(person.page).to_have_url(target)
