"""A template filter for readable names of browsers and programs, the same on every page."""

import re
from typing import Any

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# The first match wins: most browsers also name the ones they want to be compatible with.
_BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "Web0S": "webOS",
    "webOS": "webOS",
    "Tizen": "Tizen",
    "Linux": "Linux",
}
_PROGRAM = re.compile(r"\A[^/(;]+")
_MAX_LENGTH = 40


@register.filter
def software(agent: Any) -> str:
    """Return a readable name for a User-Agent: ``Chrome on Linux``.

    For a program it is the program's name, and for an unknown text its beginning. The name is a reading and
    not a proof, because a client can send any text. A page that needs the whole text shows it in addition.
    """
    text = str(agent or "")
    browser = next(
        (name for token, name in _BROWSERS.items() if f"{token}/" in text or f"{token}A/" in text), ""
    )
    system = next((name for token, name in _SYSTEMS.items() if token in text), "")
    if text.startswith("Mozilla/") and (browser or system):
        return (
            _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
            if browser and system
            else browser or system
        )
    found = None if text.startswith("Mozilla/") else _PROGRAM.match(text)
    name = (found[0] if found else text).strip()
    return name if len(name) <= _MAX_LENGTH else name[: _MAX_LENGTH - 1] + "…"
