"""What is selected, current or can be pressed is visible even with accents that no one should choose."""

import re
from typing import Any

import pytest

from flows.editing.drafts import save_draft
from idp.foundation.colors import contrast
from idp.tenancy.models import Tenant
from tests.journeys.browser import NewPerson
from tests.journeys.console import enter
from tests.support.flows import SHIPPED, drawing

# Elements that show a state by color: where, by which property, and on which background element.
MARKS = {
    ".primary": ("borderTopColor", "body"),
    ".tabs [aria-current]": ("borderBottomColor", "body"),
    "#nav [aria-current]": ("boxShadow", "#nav"),
    ".step.open": ("borderTopColor", ".definition"),
    ".step .name:focus::after": ("outlineColor", ".step"),
    ".primary::words": ("color", ".primary"),
}
SEEN = """([selector, property, ground]) => {
  const [element, part] = selector.split('::')
  const style = getComputedStyle(document.querySelector(element), part === 'after' ? '::after' : undefined)
  return [style[property], getComputedStyle(document.querySelector(ground)).backgroundColor]
}"""


def colour(text: str) -> str:
    """Return the color that a computed value begins with as #rrggbb."""
    red, green, blue = re.findall(r"\d+", text)[:3]
    return f"#{int(red):02x}{int(green):02x}{int(blue):02x}"


@pytest.mark.parametrize("accent", ["#ffffff", "#000000", "#808080", "#ffee00", "#15171b", "#4f46e5"])
def test_marks_are_seen_in_every_accent(accent: str, acme: Tenant, new_person: NewPerson) -> None:
    """WCAG 1.4.11: contrast is 3 to 1 to the surface, and 4.5 to 1 for words on buttons.

    It holds in light and dark, in the console and on the pages of people.
    """
    Tenant.objects.update(accent=accent)
    save_draft("colours", drawing(*SHIPPED, flow="colours").as_json(), by="bob", revision=None)
    person = new_person()
    enter(person, acme)
    page, wrong = person.page, dict[str, Any]()
    buttons = {selector: MARKS[selector] for selector in (".primary", ".primary::words")}
    switch = {".switch [aria-current]": ("borderBottomColor", "#panel")}
    flow = "/console/flows/colours/"
    for address, marks in (
        (f"{flow}?step=login", MARKS),
        (f"{flow}?open=flow", switch),
        ("/device", buttons),
    ):
        person.open(address)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for selector, (which, ground) in marks.items():
                page.locator(selector.partition("::")[0]).first.wait_for(state="attached")
                mark, behind = page.evaluate(SEEN, [selector, which, ground])
                if contrast(colour(mark), colour(behind)) < (4.5 if selector.endswith("words") else 3):
                    wrong[f"{address} {scheme} {selector}"] = (mark, behind)
    assert wrong == {}
