"""Colors: contrast as WCAG computes it, and marks that are visible with any accent color."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from idp.foundation.colors import DARK, LIGHT, contrast, ensure_contrast, text_on

STEPS = ("00", "33", "66", "80", "99", "cc", "ff")
COLORS = [f"#{red}{green}{blue}" for red in STEPS for green in STEPS for blue in STEPS]


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_as_wcag_reckons_it(one: str, other: str, ratio: float) -> None:
    """The published examples, both ways round."""
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


def test_every_accent_gives_marks_that_can_be_seen() -> None:
    """The contrast is 3 to 1 to every surface, light and dark, and 4.5 to 1 for the text on a button.

    What is visible already stays as it is.
    """
    assert len(COLORS) == 343
    for color in COLORS:
        assert contrast(text_on(color), color) >= 4.5, color
        for grounds in (LIGHT, DARK):
            mark, seen = (
                ensure_contrast(color, grounds),
                all(contrast(color, ground) >= 3 for ground in grounds),
            )
            assert all(contrast(mark, ground) >= 3 for ground in grounds), color
            assert (mark == color) == seen, color


def test_a_mark_keeps_the_hue() -> None:
    """Yellow becomes a dark yellow on a light page, and stays itself on a dark one."""
    assert ensure_contrast("#ffee00", DARK) == "#ffee00"
    red, green, blue = (int(ensure_contrast("#ffee00", LIGHT)[at : at + 2], 16) for at in (1, 3, 5))
    assert blue == 0
    assert red > green > 100


def test_the_surfaces_are_those_of_the_style_sheets() -> None:
    """Each that the style sheets name, in light and in dark, is one against which marks are measured."""
    for path in ("web/foyer.css", "web/console/console.css"):
        light, dark = re.findall(
            r":root \{(.*?)\}", (Path(settings.BASE_DIR) / "web" / "static" / path).read_text(), re.DOTALL
        )[:2]
        for text, known in ((light, LIGHT), (dark, DARK)):
            found = re.findall(r"--(?:page|surface|well|hover): (#[0-9a-f]+)", text)
            assert {re.sub(r"\A#(.)(.)(.)\Z", r"#\1\1\2\2\3\3", each) for each in found} <= set(known), path
            assert len(found) >= 3
