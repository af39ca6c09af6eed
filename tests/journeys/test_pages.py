"""axe-core reads every page and error state, in light and dark, on a phone and a desktop.

``FOYER_SHOTS=folder`` saves screenshots.
"""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings

from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson, Person
from tests.journeys.devices import Device
from tests.journeys.gallery import SCENES, Scene

SIZES = {390: 844, 1280: 800}
ALL = {"resultTypes": ["violations"]}
COLOURS = ALL | {"runOnly": ["color-contrast"]}  # the only rule whose result depends on the color scheme
CLIPPED = """() => [...document.querySelectorAll('h1, p, button, a, label, dd, dt, input')].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && (box.left < 0 || box.right > innerWidth + 1);
}).map((element) => element.outerHTML.slice(0, 200))"""  # noqa: E501


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_page_reads_well(
    scene: Callable[[Scene], Any],
    acme: Tenant,
    new_person: NewPerson,
    new_device: Callable[..., Device],
) -> None:
    """B19: axe-core reports no violation, nothing is wider than the window, and there is one heading.

    There is no message in the console (by the fixture).
    """
    seen = []
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        for name, person in scene(Scene(new_person, new_device, clock, {})):
            seen.append(name)
            assert person.page.get_by_role("heading", level=1).count() == 1, name
            _look(name, person)
    assert len(seen) >= 5


def _look(name: str, person: Person) -> None:
    page = person.page
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            f"{name} is wider than {width} px"
        )
        assert page.evaluate(CLIPPED) == [], f"{name} at {width} px"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            _keep_picture(page, f"{name}-{width}-{scheme}")
            if width == 1280:
                result = Axe().run(page, options=ALL if scheme == "light" else COLOURS)
                assert result.violations_count == 0, f"{name} in {scheme}: {result.generate_report()}"


def _keep_picture(page: Any, name: str) -> None:
    if folder := os.environ.get("FOYER_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_styles_and_scripts_are_small() -> None:
    """The style sheet is less than 12 KB and each script of the pages for people less than 8.

    Each script of the console is less than 16 KB. Indentation is not counted: the formatter decides it.
    """
    files = list((Path(settings.BASE_DIR) / "web" / "static").rglob("*.*"))
    sizes = {file.name: len(re.sub(rb"\n\s*", b"\n", file.read_bytes())) for file in files}
    assert sizes["foyer.css"] < 12 * 1024
    assert all(size < 16 * 1024 for size in sizes.values())
    assert max(sizes["code-field.js"], sizes["finish.js"]) < 8 * 1024
    assert {"foyer.css", "code-field.js", "finish.js"} <= set(sizes)
