"""Colors as ``#rrggbb``: their contrast (WCAG 2.2), and the nearest color with enough of it."""

from collections.abc import Sequence
from functools import lru_cache

# All backgrounds of the accent in the style sheets: --surface, --page, --well, --hover and the like.
LIGHT = ("#ffffff", "#f6f7f9", "#f4f5f7", "#f3f4f7", "#f0f2f6")
DARK = ("#15171b", "#0c0d10", "#1d2025", "#1f2228")
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_STEPS = 100


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, 1 to 21 (WCAG 2.2, contrast ratio)."""
    light, dark = sorted((_luminance(_channels(one)), _luminance(_channels(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(color: str) -> str:
    """Return black or white, whichever is easier to read on the color: never less than 4.5 to 1."""
    return "#ffffff" if contrast("#ffffff", color) >= contrast("#000000", color) else "#000000"


@lru_cache(maxsize=1024)
def ensure_contrast(color: str, backgrounds: Sequence[str] = LIGHT, least: float = 3.0) -> str:
    """Return the color, mixed with as little black or white as this contrast to each background needs.

    WCAG 2.2 requires 3 to 1 for graphical objects that convey information (success criterion 1.4.11).
    """
    base = _channels(color)
    for step in range(_STEPS + 1):
        for pole in (_BLACK, _WHITE):
            mixed = "#" + "".join(
                f"{round(own + (end - own) * step / _STEPS):02x}" for own, end in zip(base, pole, strict=True)
            )
            if all(contrast(mixed, background) >= least for background in backgrounds):
                return mixed
    raise ValueError(f"no color has a contrast of {least} to all of these backgrounds")


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(channels: Sequence[int]) -> float:
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in (each / 255 for each in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
