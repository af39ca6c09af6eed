"""No page is wider than its window, with long names and in narrow windows."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from flows.models import Version
from idp.accounts.models import Group, Session
from idp.accounts.models import Person as Account
from idp.devices.models import DeviceCode
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson
from tests.journeys.console import enter, pages
from tests.support.client import Doors
from tests.web.console.pages import default_tenant, inhabit, of_the_installation

WIDTHS = (390, 640, 880, 1280)
NAMES = {
    "word": "W" * 100,
    "words": (
        "A company with a very long name that nobody ever thought would have to stand on any page of this "
        "house"
    )[:100],
    "right-to-left": ("شركة ذات اسم طويل جدا لم يفكر أحد في أنه سيظهر يوما " * 3)[:100],
    "ideographs": "株式会社とても長い名前の会社" * 7,
}
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36"
)
WIDE = """width => [...document.querySelectorAll('body *')].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && box.right > width + 1 && !element.closest('.scroll, pre, svg, .hidden, [tabindex="0"]');
}).slice(0, 4).map((element) => element.outerHTML.slice(0, 120))"""


def called(name: str) -> None:
    """Give every object in the tenant in scope this name."""
    Account.objects.update(name=name[:150])
    Application.objects.update(title=name[:100], owner=name[:100])
    group = Group.objects.create(name=name.strip()[:100])
    for person in Account.objects.all():
        person.groups.add(group)
    DeviceCode.objects.update(label=name[:40], agent=AGENT)
    for version in Version.objects.all():
        steps = [
            {**step, "id": f"s{number}-{'x' * 70}"} for number, step in enumerate(version.document["steps"])
        ]
        Version.objects.filter(pk=version.pk).update(
            digest="", document={**version.document, "title": name, "steps": steps}
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", NAMES)
def test_no_page_is_wider_than_its_window(
    kind: str, acme: Tenant, new_person: NewPerson, door: Doors
) -> None:
    """It holds for every page of the console and of a person, with names of a hundred characters."""
    default = default_tenant()
    inhabit(door())
    clerk, owner = enter(new_person("acme.test"), acme), enter(new_person("localhost"), default)
    called(NAMES[kind])
    Tenant.objects.update(title=NAMES[kind])
    wrong: dict[str, Any] = {}
    found = [
        (page.name, address, owner if of_the_installation(page) else clerk) for page, address in pages(0, 1)
    ]
    found += [
        ("home", "/", clerk),
        ("device", "/device", clerk),
        ("credentials", "/credentials", clerk),
        ("none", "/nothing", clerk),
    ]
    for name, address, who in found:
        response = who.door.get(address)
        if not response.content.lstrip().lower().startswith(
            b"<!doctype html"
        ) or "sandbox" in response.headers.get("Content-Security-Policy", ""):
            continue
        page = who.person.page
        who.person.open(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            if (real := page.evaluate("document.documentElement.scrollWidth")) > width:
                wrong[f"{name} {width}"] = (real, page.evaluate(WIDE, width))
            if folder := os.environ.get("FOYER_SHOTS"):
                page.screenshot(path=Path(folder) / f"{kind}-{name}-{width}.png")
    assert wrong == {}


CUT = """() => [...document.querySelectorAll('#rows .scroll, #rows td, #rows td > *')].filter((each) =>
  getComputedStyle(each).display !== 'inline' && each.scrollWidth > each.clientWidth + 1).map((each) => each.outerHTML.slice(0, 120))"""  # noqa: E501


def test_the_tables_of_a_tenant_fit(acme: Tenant, new_person: NewPerson, door: Doors) -> None:
    """On a desktop and on a phone, no table scrolls sideways and no cell is cut.

    These are the sessions, devices, applications and events.
    """
    inhabit(door())
    person = new_person()
    enter(person, acme)
    called(NAMES["words"])
    Session.objects.update(agent=AGENT)
    for width in (390, 1280):
        person.page.set_viewport_size({"width": width, "height": 800})
        for name in ("sessions", "devices", "applications", "events", "people", "credentials", "consents"):
            person.open(f"/console/{name}/")
            assert person.page.locator("#rows tbody tr").count() > 0
            assert person.page.evaluate(CUT) == [], f"{name} at {width} px"
            if folder := os.environ.get("FOYER_SHOTS"):
                person.page.screenshot(path=Path(folder) / f"table-{name}-{width}.png")
    person.open("/console/sessions/")
    expect(person.page.get_by_title(AGENT).first).to_have_text("Chrome on Linux")
