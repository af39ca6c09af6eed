"""Says what is wrong with a document in words: pydantic's own name types and patterns, which nobody writes
who fills in a form.
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
    "greater_than_equal": "Write {ge} or more.",
    "greater_than": "Write more than {gt}.",
    "less_than_equal": "Write {le} or less.",
    "less_than": "Write less than {lt}.",
    "string_too_long": "Write {max_length} characters at most.",
    "string_too_short": "Write {min_length} characters at least.",
}
_WANTED = {
    "string": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "list": "a list, like [one, two]",
    "tuple": "a list, like [one, two]",
    "dict": "a mapping, like {key: value}",
    "model": "a mapping, like {key: value}",
    "mapping": "a mapping, like {key: value}",
    "datetime": "a moment, like 2026-01-31T18:00:00+01:00",
    "timezone": "a moment with its zone, like 2026-01-31T18:00:00+01:00",
}


def in_words(pattern: str, words: str) -> str:
    """Return the pattern for a field's declaration, and remember the sentence that tells it."""
    _PATTERNS[pattern] = words
    return pattern


def sentence(error: Mapping[str, Any], known: Iterable[str] = (), noun: str = "key") -> str:
    """Return what pydantic found wrong as a sentence that says what to do.

    ``known``: the keys that there are where the error is, for the nearest right spelling; ``noun``: what they
    are called.
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"There is no such {noun}.{did_you_mean(str(error['loc'][-1]), known)}"
    if kind == "missing":
        return f"This {noun} is missing."
    if kind == "string_pattern_mismatch" and context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    if kind == "string_too_short" and context.get("min_length") == 1:
        return "This must not be empty."
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    if kind in _FEWER:
        return f"Write {_FEWER[kind].format(**context)} of these."
    if kind in ("literal_error", "enum"):
        return f"Write {context.get('expected', 'one of the values that there are')}."
    if kind == "value_error" or kind not in _OWN:  # a validator's own words
        return as_sentence(str(error["msg"]).removeprefix("Value error, "))
    return _wanted(kind, error.get("input"))


def as_sentence(text: str) -> str:
    """Return the text with a capital at its beginning and a full stop at its end."""
    text = text or "This does not belong here"
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def _wanted(kind: str, given: Any) -> str:
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted is None:
        return "This value does not belong here."
    if given is None:
        quoted = ' An empty value and ~ are texts only in quotes, like "~".' if wanted == "a text" else ""
        return f"This is empty: write {wanted}.{quoted}"
    if wanted == "a text" and isinstance(given, bool | int | float):
        what = "the word" if isinstance(given, bool) else "the number"
        return f"This is read as {what} {json.dumps(given)}: put it in quotes to make it a text."
    instead = next((words for kind, words in _KINDS.items() if isinstance(given, kind)), "")
    return f"Write {wanted}{f', not {instead}' if instead else ''}."
