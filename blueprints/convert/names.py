"""Names as ours are written: lower-case letters, digits and dashes, each one once."""

import re
import unicodedata

from pydantic import ValidationError

from blueprints.objects.document import GroupDocument

MOST = 50


def short_name(text: str) -> str:
    """The nearest name of ours: ``Café & Co.`` is ``cafe-co``; a text without letters is ``unnamed``."""
    plain = unicodedata.normalize("NFKD", text[:500]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MOST].strip("-") or "unnamed"


def group_name(text: str) -> str:
    """The name as a group of ours has it; "" for one that no group can have."""
    try:
        return GroupDocument.model_validate({"group": text}).group
    except ValidationError:
        return ""


class Names:
    """Names that are taken already."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def make(self, text: str) -> str:
        """A name that nothing has yet, numbered when it must be."""
        wanted = short_name(text)
        name, number = wanted, self._last.get(wanted, 1)
        while name in self._taken:
            number += 1
            name = f"{wanted[: MOST - 1 - len(str(number))].rstrip('-')}-{number}"
        self._last[wanted] = number
        self._taken.add(name)
        return name
