"""What a person at a keyboard meets at the forms of the console: where the focus is, and what leaving costs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from idp.tenancy.models import Tenant
from tests.journeys.people import Person
from tests.journeys.test_console_pages import enter


def shot(person: Person, name: str) -> None:
    """Keep pictures, if somebody wants them (``FOYER_SHOTS``)."""
    if folder := os.environ.get("FOYER_SHOTS"):
        for width, height in ((390, 844), (1280, 800)):
            person.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                person.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
                person.page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png")


@pytest.fixture
def clerk(tenants: dict[str, Tenant], new_person: Callable[..., Person], java_script_enabled: bool) -> Person:
    """An owner of acme at the console, with scripts and without."""
    sitting = new_person(java_script_enabled=java_script_enabled)
    enter(sitting, tenants["acme"])
    return sitting


def test_mistakes_are_brought_to_the_person(clerk: Person) -> None:
    """WCAG 3.3.1, 2.4.2, 2.4.3: the summary has the focus and is in view, its link leads into the field, and what was typed is there."""
    clerk.open("/console/people/add")
    expect(clerk.page.get_by_label("Username")).to_be_focused()
    clerk.fill("Username", "clerk")
    clerk.fill("Email address", "nobody")
    clerk.page.get_by_label("Password").fill("short")
    clerk.press("Add")
    expect(clerk.page).to_have_title("Error: New: Person · Acme")
    summary = clerk.page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    shot(clerk, "wrong-person")
    summary.get_by_role("link", name="Email address").click()
    field = clerk.page.get_by_label("Email address", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_value("nobody")
    expect(field).to_have_accessible_description("Enter a valid email address.")
