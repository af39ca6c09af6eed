"""Values and conditions as readable text, for flows and runs."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from flows.conditions.presets import describe_condition

_TIMESTAMP = re.compile(r"\A(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?:\+00:00|Z)\Z")


def format_value(value: Any) -> str:
    """Return a JSON value as text, without its punctuation."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {format_value(each)}" for key, each in value.items()) or _("nothing")
    if isinstance(value, list | tuple | set):
        return ", ".join(format_value(each) for each in value) or _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return _("nothing") if value in (None, "") else _TIMESTAMP.sub(r"\1 \2 UTC", str(value))


def format_condition(source: str) -> str:
    """Return a condition as a sentence if all of it matches presets, otherwise its source."""
    parts = describe_condition(source)
    return source if any(code for _text, code in parts) else _(" and ").join(text for text, _code in parts)
