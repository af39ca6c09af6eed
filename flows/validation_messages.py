"""Readable messages for invalid documents.

Pydantic's own messages name types and patterns, which mean nothing to people who fill in a form.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

from idp.foundation.text import did_you_mean

_PYDANTIC_ERRORS = frozenset(get_args(ErrorType))
_PATTERN_MESSAGES: dict[str, str] = {}
_TYPE_NAMES = {list: "a list", tuple: "a list", dict: "a mapping"}
_LENGTH_LIMITS = {"too_short": "at least {min_length}", "too_long": "at most {max_length}"}
_BOUNDS = {
    "greater_than_equal": "Enter {ge} or more.",
    "greater_than": "Enter more than {gt}.",
    "less_than_equal": "Enter {le} or less.",
    "less_than": "Enter less than {lt}.",
    "string_too_long": "Enter at most {max_length} characters.",
    "string_too_short": "Enter at least {min_length} characters.",
}
_EXPECTED = {
    "string": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "list": "a list, like [one, two]",
    "tuple": "a list, like [one, two]",
    "dict": "a mapping, like {key: value}",
    "model": "a mapping, like {key: value}",
    "mapping": "a mapping, like {key: value}",
    "datetime": "a date and time, like 2026-01-31T18:00:00+01:00",
    "timezone": "a date and time with a time zone, like 2026-01-31T18:00:00+01:00",
}


def with_message(pattern: str, message: str) -> str:
    """Return the pattern for a field's declaration, and register the sentence that describes it."""
    _PATTERN_MESSAGES[pattern] = message
    return pattern


def describe_error(error: Mapping[str, Any], known: Iterable[str] = (), noun: str = "key") -> str:
    """Return pydantic's error as a sentence that says what to do.

    ``known``: the keys that are valid there, for the nearest right spelling; ``noun``: what they are called.
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"Unknown {noun}.{did_you_mean(str(error['loc'][-1]), known)}"
    if kind == "missing":
        return f"This {noun} is missing."
    if kind == "string_pattern_mismatch" and context.get("pattern") in _PATTERN_MESSAGES:
        return _PATTERN_MESSAGES[context["pattern"]]
    if kind == "string_too_short" and context.get("min_length") == 1:
        return "This can't be blank."
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    if kind in _LENGTH_LIMITS:
        return f"Enter {_LENGTH_LIMITS[kind].format(**context)} of these."
    if kind in ("literal_error", "enum"):
        return f"Use {context.get('expected', 'one of the allowed values')}."
    if kind == "value_error" or kind not in _PYDANTIC_ERRORS:  # a message of one of Foyer's validators
        return as_sentence(str(error["msg"]).removeprefix("Value error, "))
    return _describe_expected(kind, error.get("input"))


def as_sentence(text: str) -> str:
    """Return the text with a capital at its beginning and a period at its end."""
    text = text or "This isn't valid"
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def _describe_expected(kind: str, value: Any) -> str:
    expected = _EXPECTED.get(kind.partition("_")[0])
    if expected is None:
        return "This value isn't valid here."
    if value is None:
        quoted = ' Put an empty value or ~ in quotes to make it text, like "~".' if expected == "text" else ""
        return f"This is blank. Enter {expected}.{quoted}"
    if expected == "text" and isinstance(value, bool | int | float):
        what = "the word" if isinstance(value, bool) else "the number"
        return f"This is read as {what} {json.dumps(value)}. Put it in quotes to make it text."
    actual = next((name for kind, name in _TYPE_NAMES.items() if isinstance(value, kind)), "")
    return f"Enter {expected}{f', not {actual}' if actual else ''}."
