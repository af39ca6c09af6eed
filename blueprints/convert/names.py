"""Unique names in the form of Foyer: lowercase letters, digits and dashes."""

import re
import unicodedata

from pydantic import ValidationError

from blueprints.objects.document import GroupDocument

MAX_LENGTH = 50


def short_name(text: str) -> str:
    """Return the closest valid name: ``Café & Co.`` is ``cafe-co``; a text without letters is ``unnamed``."""
    plain = unicodedata.normalize("NFKD", text[:500]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_LENGTH].strip("-") or "unnamed"


def group_name(text: str) -> str:
    """Return the name as a group document normalizes it; "" if it is not valid for a group."""
    try:
        return GroupDocument.model_validate({"group": text}).group
    except ValidationError:
        return ""


class Names:
    """A set of names that are taken."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def unique_name(self, text: str) -> str:
        """Return a name that is not taken yet, numbered if necessary, and take it."""
        base = short_name(text)
        name, number = base, self._last.get(base, 1)
        while name in self._taken:
            number += 1
            name = f"{base[: MAX_LENGTH - 1 - len(str(number))].rstrip('-')}-{number}"
        self._last[base] = number
        self._taken.add(name)
        return name
