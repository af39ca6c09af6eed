"""The result of a conversion: documents as YAML with comments, and a note for everything not converted."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

_PLAIN = re.compile(r"\A[A-Za-z_][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*\Z")
_RESERVED_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_WIDTH, _LINES = 140, 200


@dataclass(frozen=True)
class FoyerTag:
    """A blueprint tag for a value that only the running installation knows: ``!env NAME default``."""

    tag: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"!{self.tag} {_scalar(self.words[0]) if len(self.words) == 1 else _flow_style(self.words)}"


@dataclass
class Block:
    """A document or a step, with the comments above it."""

    values: dict[str, Any]
    comments: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return the values without comments."""
        return {key: _without_comments(value) for key, value in self.values.items()}


@dataclass(frozen=True)
class Note:
    """A note for the administrator, with its position in the source file; lines count from 1."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}: {self.text}"


@dataclass
class Notes:
    """The notes of a conversion."""

    notes: dict[Note, None] = field(default_factory=dict)

    def add(self, file: str, line: int, text: str) -> None:
        """Add a note; duplicates are ignored."""
        self.notes.setdefault(Note(file, line, printable(text)[:500]))


def printable(text: str) -> str:
    """Return the text as one line without control characters, which could affect a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def write(blocks: Iterable[Block]) -> str:
    """Return the documents as YAML."""
    return "---\n".join("".join(f"{line}\n" for line in _block(block, "", "")) for block in blocks)


def source_lines(text: str) -> list[str]:
    """Return a source as the lines of a comment.

    Every kind of line break splits lines here, so that nothing of the source can leave the comment.
    """
    lines = [printable(line.expandtabs(4)).rstrip()[:300] for line in text.strip().splitlines()]
    more = len(lines) - _LINES
    return lines[:_LINES] + ([f"({more} more lines)"] if more > 0 else [])


def _without_comments(value: Any) -> Any:
    if isinstance(value, Block):
        return value.plain()
    if isinstance(value, dict):
        return {key: _without_comments(each) for key, each in value.items()}
    return [_without_comments(each) for each in value] if isinstance(value, list) else value


def _block(block: Block, indent: str, first: str) -> Iterator[str]:
    """Yield the lines of a block; ``first`` replaces the indent of its first key and has the same width."""
    for comment in block.comments:
        for line in source_lines(comment):
            yield f"{first[:-2] if first else indent}# {line}".rstrip()
    for at, (key, value) in enumerate(block.values.items()):
        yield from _pair(key, value, indent, first if first and at == 0 else indent)


def _pair(key: str, value: Any, indent: str, before: str) -> Iterator[str]:
    head = f"{before}{_scalar(key)}:"
    if isinstance(value, list) and any(isinstance(each, Block) for each in value):
        yield head
        for each in value:
            yield from _block(each, f"{indent}    ", f"{indent}  - ")
    elif isinstance(value, list | dict):
        row = f"{head} {_flow_style(value)}"
        if len(row) <= _WIDTH or not value:
            yield row
        elif isinstance(value, dict):
            yield head
            for inner, each in value.items():
                yield from _pair(inner, each, f"{indent}  ", f"{indent}  ")
        else:
            yield head
            yield from (f"{indent}  - {_flow_style(each)}" for each in value)
    else:
        yield f"{head} {_scalar(value)}"


def _flow_style(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow_style(each)}" for key, each in value.items()) + "}"
    return (
        "[" + ", ".join(map(_flow_style, value)) + "]" if isinstance(value, list | tuple) else _scalar(value)
    )


def _scalar(value: Any) -> str:
    if isinstance(value, FoyerTag):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    if _PLAIN.match(text) and text.lower() not in _RESERVED_WORDS:
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return "".join(
        letter if letter.isprintable() else _escaped(letter)
        for letter in json.dumps(text, ensure_ascii=False)
    )


def _escaped(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
