"""A blueprint is pasted in a real browser, shown as a plan, and applied once."""

import pytest

from idp.accounts.models import Group
from idp.accounts.models import Person as Account
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import NewPerson, Person


@pytest.fixture
def clerk(new_person: NewPerson, tenants: dict[str, Tenant]) -> Person:
    """Return alice, who administers acme, at the page that plans."""
    with tenant_scope(tenants["acme"]):
        Account.objects.filter(username="alice").update(role="admin")
    person = new_person()
    person.open("/device")
    person.sign_in()
    person.open("/console/blueprints/plan")
    return person


def test_a_long_blueprint_is_planned_and_applied_once(clerk: Person, acme: Tenant) -> None:
    """More than a form may contain is uploaded as a file, and a double click applies it once.

    The page then says what was done.
    """
    said = "\n---\n".join(f"group: group-{number:04d}-{'x' * 60}" for number in range(1000))
    assert len(said) > 64 * 1024
    clerk.page.get_by_label("Blueprint", exact=True).evaluate("(area, text) => (area.value = text)", said)
    clerk.press("Preview changes")
    clerk.reads("Preview: 1000 to create", "… and 500 more.")
    button = clerk.page.get_by_role("button", name="Apply these changes", exact=True)
    with clerk.page.expect_navigation():
        button.dblclick()
    clerk.sees("Blueprints")
    clerk.reads("Applied: 1000 created.", "acme/console")
    assert Group.objects.filter(name__startswith="group-").count() == 1000
    assert Event.objects.filter(kind="blueprint.applied", actor="alice").count() == 1


def test_a_form_that_takes_its_time_says_so_and_is_sent_once(clerk: Person) -> None:
    """While the response is on its way the page says so, and a second click does nothing."""
    asked: list[str] = []
    clerk.page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    clerk.fill("Blueprint", "group: cooks")
    button = clerk.page.get_by_role("button", name="Preview changes", exact=True)
    with clerk.page.expect_navigation():
        label = button.evaluate(
            "button => { for (let n = 0; n < 3; n++) button.click(); return "
            "button.form.querySelector('[role=status]').textContent }"
        )
    assert label == "Comparing…"
    clerk.reads("Preview: 1 to create")
    assert len(asked) == 1
