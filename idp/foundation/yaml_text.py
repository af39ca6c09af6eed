"""Writes plain values as YAML that every reader takes for the same values, in the way in which a person would
write it.

What the core schema of YAML 1.2 or the wider one of 1.1 might take for a number, a truth value or null is
quoted; nothing is folded, there are no aliases, and the same values are always the same bytes.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ROW = 110  # a list of plain values that is no wider stands on one line
_BLOCK = re.compile(r"\A[^\W\d](?:[\w ./@+()!?&'\"=<>|$%*,-]*[\w./@+()!?&'\"=<>|$%*,-])?\Z")
_FLOW = re.compile(r"\A[^\W\d](?:[\w ./@+()-]*[\w./@+()-])?\Z")
_DURATION = re.compile(r"\A[0-9]{1,6}[smhd]\Z")  # no reader takes that for a number
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
_LONGEST_KEY = 200  # a longer one is marked, for parsers look ahead only so far


@dataclass(frozen=True)
class Tagged:
    """``!tag text``: a tag of whoever reads it. ``text`` is a name."""

    tag: str
    text: str

    def __str__(self) -> str:
        return f"!{self.tag} {_scalar(self.text, _FLOW)}"


def write(*documents: Any) -> str:
    """The documents, with ``---`` between them; raises TypeError for what is no text, number, truth value,
    None, list or mapping.
    """
    return "---\n".join("".join(f"{line}\n" for line in _lines(document)) for document in documents)


def _lines(value: Any) -> Iterator[str]:
    """A value on lines of its own."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _pair(key, each)
    elif isinstance(value, list | tuple) and value and _on_one_row(value) is None:
        for each in value:
            yield from _marked("- ", each)
    else:
        yield from _inline(value)


def _pair(key: Any, value: Any) -> Iterator[str]:
    if not isinstance(key, str):
        raise TypeError(f"A key is a text, not {type(key).__name__}.")
    head = _scalar(key, _FLOW)
    if len(head) > _LONGEST_KEY:
        yield f"? {head}"
        yield from _marked(": ", value)
    elif _is_nested(value):
        yield f"{head}:"
        yield from (f"  {line}" if line else "" for line in _lines(value))
    else:
        first, *rest = _inline(value)
        yield f"{head}: {first}"
        yield from rest


def _marked(mark: str, value: Any) -> Iterator[str]:
    """``- `` or ``: `` before the first line, as much room before the others."""
    lines = iter(_lines(value) if _is_nested(value) else _inline(value))
    yield f"{mark}{next(lines)}"
    yield from (f"{' ' * len(mark) if _is_nested(value) else ''}{line}" if line else "" for line in lines)


def _is_nested(value: Any) -> bool:
    return bool(value) and (
        isinstance(value, Mapping) or (isinstance(value, list | tuple) and _on_one_row(value) is None)
    )


def _on_one_row(values: Iterable[Any]) -> str | None:
    """``[a, b]``, if that is short and all of it is plain."""
    cells = []
    for each in values:
        if (isinstance(each, Mapping | list | tuple) and each) or (isinstance(each, str) and "\n" in each):
            return None
        cells.append(_scalar(each, _FLOW))
    row = f"[{', '.join(cells)}]"
    return row if len(row) <= ROW else None


def _inline(value: Any) -> Iterator[str]:
    """A value behind its key: one line, or the mark of a literal block and its lines."""
    if isinstance(value, str) and _is_literal(value):
        yield "|" if value.endswith("\n") else "|-"
        yield from (f"  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    elif isinstance(value, list | tuple):
        yield _on_one_row(value) or "[]"
    else:
        yield _scalar(value, _BLOCK)


def _is_literal(text: str) -> bool:
    """Several lines that can stand as they are: nothing that an editor would take away, or a reader for
    indentation.
    """
    if "\n" not in text.rstrip("\n") and not re.fullmatch(r"[^\n]+\n", text):
        return False
    lines = text.removesuffix("\n").split("\n")
    if not lines[0] or not lines[-1] or lines[0].startswith(" "):
        return False
    return all(
        line == line.rstrip() and not line.startswith("\t") and line.replace("\t", "").isprintable()
        for line in lines
    )


def _scalar(value: Any, plain: re.Pattern[str]) -> str:
    if isinstance(value, Tagged):
        return str(value)
    if isinstance(value, str):
        return _text(value, plain)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    if isinstance(value, Mapping | list | tuple) and not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    raise TypeError(f"YAML holds no {type(value).__name__}.")


def _text(text: str, plain: re.Pattern[str]) -> str:
    if text.isprintable():
        if _DURATION.match(text) or (plain.match(text) and text.lower() not in _WORDS):
            return text
        if '"' in text and "'" not in text and "\\" not in text:
            return f"'{text}'"
    return "".join(
        letter if letter.isprintable() else _escaped(letter)
        for letter in json.dumps(text, ensure_ascii=False)
    )


def _escaped(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
