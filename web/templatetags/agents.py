"""What a browser or a program calls itself, in words: one reading for every page."""

import re
from typing import Any

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# The first that occurs counts: most browsers name those too that they want to be taken for.
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
    """Return a User-Agent as people say it: ``Chrome on Linux``; of a program its name, of what says nothing
    known its beginning.

    It is a reading, not a proof: anybody can send anything. Whoever needs the whole text shows it beside.
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
