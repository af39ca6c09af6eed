"""axe-core reads every page of the console, in light and dark, on a phone and a desktop.

``FOYER_SHOTS=folder`` saves screenshots of all of them, at 390, 1280 and 1920 px.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson
from tests.journeys.console import Owner, enter, pages
from tests.support.client import Doors
from tests.web.console.pages import default_tenant, inhabit, of_the_installation
from tools.seeding import events, people, protocol
from tools.seeding.plan import Seed, Sizes

SIZES = {390: 844, 1280: 800, 1920: 1080}
WIDE = """width => [...document.querySelectorAll('h1, h2, p, button, a, label, dd, dt, input, select, textarea')].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && (box.left < 0 || box.right > width + 1) && !element.closest('.scroll, pre, svg, .hidden, [tabindex="0"]');
}).map((element) => element.outerHTML.slice(0, 160))"""  # noqa: E501


def silent(text: str) -> None:
    """Report no progress."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(3))
def test_every_page_of_the_console_reads_well(
    part: int, acme: Tenant, new_person: NewPerson, door: Doors
) -> None:
    """B19: axe-core reports no violation, in light and dark, at 390 and 1280 px.

    There is one heading, nothing wider than the window, and no message in the browser's console (by the
    fixture). Each case reads a share of the pages, so that none takes too long.
    """
    default, seed = default_tenant(), Seed(Sizes(people=60, events=300, applications=8), report=silent)
    people.fill(seed)
    protocol.fill(seed, people.seeded_person_ids(), "https://acme.test")
    events.fill(seed)
    inhabit(door())
    clerk, owner = enter(new_person("acme.test"), acme), enter(new_person("localhost"), default)
    wrong: dict[str, Any] = {}
    for page, address in pages(part, 3):
        if found := _look(page.name, owner if of_the_installation(page) else clerk, address):
            wrong[f"{page.name} {address}"] = found
    assert wrong == {}


def _look(name: str, owner: Owner, address: str) -> list[Any]:
    response = owner.door.get(address)
    if response.status_code != 200 or not response.content.lstrip().lower().startswith(b"<!doctype html"):
        # a file, a picture, a style sheet, a part of a page
        return [] if response.status_code == 200 else [response.status_code]
    if "sandbox" in response.headers.get("Content-Security-Policy", ""):
        return []  # a frame that may run no script, so axe-core cannot run in it
    page, wrong = owner.person.page, list[Any]()
    owner.person.open(address)
    if (headings := page.get_by_role("heading", level=1).count()) != 1:
        wrong.append(f"{headings} headings")
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        if (real := page.evaluate("document.documentElement.scrollWidth")) > width:
            wrong.append(f"{real} px wide at {width}: {page.evaluate(WIDE, width)}")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            _keep_picture(page, f"{name}-{width}-{scheme}")
            if width != 1920:
                wrong += violations(page, f"{width} {scheme}")
    return wrong


def violations(page: Any, when: str) -> list[str]:
    """Return what axe-core finds wrong, of any weight.

    A page that is a picture in a frame is left out, because nothing in it can be used.
    """
    if page.evaluate("document.body.inert"):
        return []
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{when}: {each['id']}: {[node['html'][:160] for node in each['nodes'][:3]]}" for each in found]


def _keep_picture(page: Any, name: str) -> None:
    if folder := os.environ.get("FOYER_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
