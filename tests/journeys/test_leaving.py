"""A flow that ends at another site's address: the browser gets there, whatever the policy of our
forms says.
"""

from typing import Any

import pytest
from playwright.sync_api import expect

from idp.tenancy.models import Tenant
from tests.engine import draw
from tests.journeys.people import Person


@pytest.mark.parametrize("before", ["answered", "at once"])
def test_a_redirect_leads_to_another_site(acme: Tenant, person: Person, live: Any, before: str) -> None:
    """After a form was posted (``form-action`` speaks of redirects too), and as the first thing of a flow;
    Back leads nowhere else.
    """
    target = f"http://127.0.0.1:{live.port}/health/live?a=b&c=%22"
    steps = ["identification"] if before == "answered" else []
    draw(*steps, {"stage": "redirect", "settings": {"to": target}})
    person.page.goto(live.url("acme.test", "/device"))
    if before == "answered":
        person.page.get_by_label("Username or email address").fill("bob")
        person.page.get_by_role("button", name="Continue").click()
    expect(person.page).to_have_url(target)
