"""Parse YAML 1.2 into nodes that know their position, within limits that make hostile files harmless.

The C parser yields a flat stream of events and never recurses. The tree is built here, with its depth
counted. Scalars follow the core schema of YAML 1.2 (section 10.3.2): ``no`` is a text, ``012`` is twelve. Its
tags (``!!str``) are supported.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import Any

import yaml

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 30
MAX_NODES = 300_000  # in a file, with aliases expanded
MAX_ALIASES = 1000  # in a document
_LOADER: Any = getattr(yaml, "CLoader", yaml.Loader)
_INT = re.compile(r"\A[-+]?[0-9]{1,30}\Z")
_RADIX_INT = re.compile(r"\A0(?:o[0-7]{1,30}|x[0-9a-fA-F]{1,30})\Z")
_FLOAT = re.compile(r"\A[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?\Z")
_CONSTANTS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_CONSTANTS |= {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}


class BadYaml(Exception):
    """The text is not valid YAML or exceeds the limits; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


@dataclass(eq=False)
class Node:
    """A scalar, a list or a mapping, with its position; ``tag`` has no ``!``.

    The ``value`` of a mapping maps each key to (key node, value node).

    ``written`` is the text of a plain scalar that became a number and would be written differently, such as
    ``01067`` and ``1.10``.
    """

    line: int
    column: int
    value: Any
    tag: str = ""
    original: str = ""
    weight: int = 1
    height: int = 0

    @property
    def is_map(self) -> bool:
        """Whether the node is a mapping."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether the node is a list."""
        return isinstance(self.value, list)

    def reformatted_scalars(self) -> Iterator["Node"]:
        """Yield every scalar in the tree, keys included, that became a number that is written differently.

        What an alias repeats is yielded once.
        """
        seen, pending = set[int](), [self]
        while pending:
            node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.original:
                yield node
            if node.is_map:
                pending += (each for pair in node.value.values() for each in pair)
            elif node.is_list:
                pending += node.value

    def get(self, key: str) -> "Node | None":
        """Return the node under this key of a mapping, or None."""
        found = self.value.get(key) if self.is_map else None
        return found[1] if found else None

    def existing_prefix(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Return the longest prefix of ``path`` that exists; the value behind a tag cannot be followed."""
        node = self
        for at, step in enumerate(path):
            inner = (
                node.value[step]
                if node.is_list and isinstance(step, int) and step < len(node.value)
                else node.get(str(step))
            )
            if inner is None:
                return path if node.tag == "vars" else path[: max(at, 1)]
            node = inner
        return path

    def at(self, path: tuple[str | int, ...]) -> "Node | None":
        """Return the node at this path, or None."""
        node: Node | None = self
        for step in path:
            if node is not None and node.is_list and isinstance(step, int):
                node = node.value[step] if step < len(node.value) else None
            else:
                node = node.get(str(step)) if node is not None else None
        return node

    def position(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Return the line and the column of the last key of ``path`` that exists."""
        node, at = self, (self.line, self.column)
        for step in path:
            if node.is_map and str(step) in node.value:
                key, node = node.value[str(step)]
                at = (key.line, key.column)
            elif node.is_list and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                at = (node.line, node.column)
            else:
                break
        return at


def parse(data: bytes) -> list[Node]:
    """Return the documents of a file, without empty ones; raise BadYaml."""
    if len(data) > MAX_BYTES:
        raise BadYaml(f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadYaml("The file isn't UTF-8.") from None
    try:
        return [node for node in _documents(text) if node.value is not None or node.tag]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise BadYaml(
            _tab_message(text, place[0]) or _sentence(str(error.problem or error.context)), *place
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadYaml(f"Invalid YAML: {str(error).splitlines()[0]}") from None


@dataclass
class _Builder:
    """One document under construction: its open lists and mappings, outermost first, and its anchors."""

    root: Node | None = None
    open: list[tuple[Node, list[Node]]] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    nodes: int = 0
    aliases: int = 0

    def add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if self.open:
            self.open[-1][1].append(node)
        else:
            self.root = node

    def count(self, line: int, column: int, weight: int = 1, height: int = 0) -> None:
        self.nodes += weight
        if self.nodes > MAX_NODES or len(self.open) + height > MAX_DEPTH:
            raise BadYaml("The document is too deeply nested or too large.", line, column)


def _documents(text: str) -> Iterator[Node]:
    builder = _Builder()
    event: Any
    for event in yaml.parse(text, Loader=_LOADER):
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            builder = _Builder(nodes=builder.nodes)
            builder.count(line, column)
        elif isinstance(event, yaml.DocumentEndEvent) and builder.root is not None:
            yield builder.root
        elif isinstance(event, yaml.ScalarEvent):
            builder.count(line, column)
            value = _scalar_value(event, line, column)
            written = str(event.value) if _is_rewritten(event, value) else ""
            builder.add(Node(line, column, value, _tag(event), written), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            builder.add(_resolve_alias(builder, str(event.anchor), line, column), None)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            builder.count(line, column)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            node = Node(line, column, [] if is_list else {}, _tag(event, _SEQ if is_list else _MAP))
            builder.add(node, None)  # its anchor is set below; _aliased refuses it while it is open
            builder.open.append((node, []))
            node.weight = builder.nodes
            if event.anchor is not None:
                builder.anchors[event.anchor] = node
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            _close(builder)


def _close(builder: _Builder) -> None:
    node, children = builder.open.pop()
    node.weight = builder.nodes - node.weight + 1
    node.height = 1 + max((child.height for child in children), default=0)
    if node.is_list:
        node.value.extend(children)
        return
    for at, (key, value) in enumerate(pairwise(children)):
        if at % 2:
            continue
        if key.is_map or key.is_list or key.tag:
            raise BadYaml("A key must be plain text.", key.line, key.column)
        name = _key_name(key.value)
        if name in node.value:
            raise BadYaml(f"Duplicate key {name}.", key.line, key.column)
        node.value[name] = (key, value)


def _key_name(value: Any) -> str:
    """Return a key as a text, spelled as in YAML: ``null``, ``true``."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _resolve_alias(builder: _Builder, anchor: str, line: int, column: int) -> Node:
    node = builder.anchors.get(anchor)
    if node is None:
        raise BadYaml(f"The anchor {anchor} isn't defined before this.", line, column)
    if any(node is each for each, _ in builder.open):
        raise BadYaml(f"The anchor {anchor} contains itself.", line, column)
    builder.aliases += 1
    if builder.aliases > MAX_ALIASES:
        raise BadYaml("The document has too many aliases.", line, column)
    builder.count(line, column, node.weight, node.height)  # as if it were written out here
    return node


def _tag(event: Any, default_tag: str = "") -> str:
    """Return the tag without its ``!``; "" for a standard tag that adds nothing to the value.

    ``default_tag`` is the standard tag of a list or a mapping.
    """
    if event.tag in (None, "!", default_tag) or (not default_tag and event.tag in _PARSERS):
        return ""
    if event.tag in (*_PARSERS, _SEQ, _MAP):
        name = event.tag.removeprefix(_STANDARD)
        raise BadYaml(
            f"This isn't a {_TYPE_NAMES[name]}, as the tag !!{name} says.",
            event.start_mark.line + 1,
            event.start_mark.column + 1,
        )
    return str(event.tag).replace(_STANDARD, "!!").removeprefix("!")


def _scalar_value(event: Any, line: int, column: int) -> Any:
    """Return the value of a scalar: a plain one by the core schema or by its standard tag.

    A quoted scalar, and one with any other tag, is a text.
    """
    text = str(event.value)
    if "\0" in text:
        raise BadYaml("Text can't contain a NUL character.", line, column)
    if event.tag in _PARSERS:
        try:
            return _PARSERS[event.tag](text)
        except (ValueError, KeyError):
            name = event.tag.removeprefix(_STANDARD)
            raise BadYaml(
                f"{text[:50]} isn't a {_TYPE_NAMES[name]}, as the tag !!{name} says.", line, column
            ) from None
    return text if event.style or event.tag else _resolve_plain(text)


def _resolve_plain(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text) or _RADIX_INT.match(text):
        return _parse_int(text)
    return _parse_float(text) if _FLOAT.match(text) and isfinite(float(text)) else text


def _parse_int(text: str) -> int:
    """Return a decimal number, also with leading zeros, or an octal or hexadecimal one; raise ValueError."""
    if not (_INT.match(text) or _RADIX_INT.match(text)):
        raise ValueError(text)
    return int(text) if _INT.match(text) else int(text, 0)


def _parse_float(text: str) -> float:
    if not (_FLOAT.match(text) and isfinite(float(text))):
        raise ValueError(text)
    return float(text)


def _parse_bool(text: str) -> bool:
    if (found := _CONSTANTS[text]) is None:
        raise ValueError(text)
    return found


def _parse_null(text: str) -> None:
    if _CONSTANTS[text] is not None:
        raise ValueError(text)


def _is_rewritten(event: Any, value: Any) -> bool:
    plain = (
        not event.style and not event.tag and isinstance(value, int | float) and not isinstance(value, bool)
    )
    return plain and str(value) != event.value


_STANDARD = "tag:yaml.org,2002:"
_SEQ, _MAP = f"{_STANDARD}seq", f"{_STANDARD}map"
_TYPE_NAMES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "truth value",
    "null": "null",
    "seq": "list",
    "map": "mapping",
}
_PARSERS: dict[str | None, Callable[[str], Any]] = {
    f"{_STANDARD}str": str,
    f"{_STANDARD}int": _parse_int,
    f"{_STANDARD}float": _parse_float,
    f"{_STANDARD}bool": _parse_bool,
    f"{_STANDARD}null": _parse_null,
}


def _tab_message(text: str, line: int) -> str:
    """Return what is wrong with a line that is indented with a tab; "" for any other line."""
    lines = text.splitlines()[line - 1 : line]
    indentation = lines[0][: len(lines[0]) - len(lines[0].lstrip())] if lines else ""
    return "YAML doesn't allow tabs for indentation. Use spaces." if "\t" in indentation else ""


def _sentence(text: str) -> str:
    line = text.splitlines()[0].strip() or "invalid YAML"
    return line[0].upper() + line[1:] + "."
