"""Readable messages for invalid documents.

Pydantic's own messages name types and patterns, which mean nothing to people who fill in a form.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

from idp.foundation.text import did_you_mean

_OWN = frozenset(get_args(ErrorType))
_PATTERNS: dict[str, str] = {}
_KINDS = {list: "a list", tuple: "a list", dict: "a mapping"}
_FEWER = {"too_short": "at least {min_length}", "too_long": "at most {max_length}"}
_BOUNDS = {
    "greater_than_equal": "Enter {ge} or more.",
    "greater_than": "Enter more than {gt}.",
    "less_than_equal": "Enter {le} or less.",
    "less_than": "Enter less than {lt}.",
    "string_too_long": "Enter at most {max_length} characters.",
    "string_too_short": "Enter at least {min_length} characters.",
}
_WANTED = {
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


def in_words(pattern: str, words: str) -> str:
    """Return the pattern for a field's declaration, and register the sentence that describes it."""
    _PATTERNS[pattern] = words
    return pattern


def sentence(error: Mapping[str, Any], known: Iterable[str] = (), noun: str = "key") -> str:
    """Return pydantic's error as a sentence that says what to do.

    ``known``: the keys that are valid there, for the nearest right spelling; ``noun``: what they are called.
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"Unknown {noun}.{did_you_mean(str(error['loc'][-1]), known)}"
    if kind == "missing":
        return f"This {noun} is missing."
    if kind == "string_pattern_mismatch" and context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    if kind == "string_too_short" and context.get("min_length") == 1:
        return "This can't be blank."
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    if kind in _FEWER:
        return f"Enter {_FEWER[kind].format(**context)} of these."
    if kind in ("literal_error", "enum"):
        return f"Use {context.get('expected', 'one of the allowed values')}."
    if kind == "value_error" or kind not in _OWN:  # a message of one of Foyer's validators
        return as_sentence(str(error["msg"]).removeprefix("Value error, "))
    return _wanted(kind, error.get("input"))


def as_sentence(text: str) -> str:
    """Return the text with a capital at its beginning and a period at its end."""
    text = text or "This isn't valid"
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def _wanted(kind: str, given: Any) -> str:
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted is None:
        return "This value isn't valid here."
    if given is None:
        quoted = ' Put an empty value or ~ in quotes to make it text, like "~".' if wanted == "text" else ""
        return f"This is blank. Enter {wanted}.{quoted}"
    if wanted == "text" and isinstance(given, bool | int | float):
        what = "the word" if isinstance(given, bool) else "the number"
        return f"This is read as {what} {json.dumps(given)}. Put it in quotes to make it text."
    instead = next((words for kind, words in _KINDS.items() if isinstance(given, kind)), "")
    return f"Enter {wanted}{f', not {instead}' if instead else ''}."
