"""Bounds what a condition can build and tries its constants, on the syntax tree that the CEL compiler has checked.

CEL's own budget counts iterations, not sizes: a macro that doubles a text in each round takes gigabytes in a few of them,
and a regular expression on a long text takes milliseconds in each of ten thousand rounds, while the whole process waits.
So nothing is built inside a macro: no concatenation there, no list or map but a short one of constants. What is left can only
choose among values that exist already, and stays as small as the condition and what it reads.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

from idp import addresses
from idp.text import nfc

CONCATENATIONS = 4
MACROS = 8
NESTED = 3
PATTERNS = 8
PATTERN_LENGTH = 200
MEMBERS = 50
REPETITIONS = 100
_PLUS = "_+_"
_COUNTED = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_NUMERIC = {"add_int64", "add_uint64", "add_double", "add_duration_duration", "add_duration_timestamp", "add_timestamp_duration"}


@dataclass(frozen=True)
class Fault:
    """Why a condition is refused; ``offset``: at which character, counted from 0."""

    message: str
    offset: int


@dataclass(frozen=True)
class _Node:
    """An expression of the tree. ``constant`` is None for what is no constant.

    Of a macro, ``name`` is its accumulator, ``variable`` what it goes through, ``loops`` the parts that are computed in each round.
    """

    id: int
    kind: str
    name: str = ""
    constant: Any = None
    children: tuple["_Node", ...] = ()
    loops: tuple["_Node", ...] = ()
    variable: str = ""


@dataclass
class _Walk:
    overloads: Mapping[int, set[str]]
    faults: list[tuple[str, int]] = field(default_factory=list)
    concatenations: int = 0
    macros: int = 0
    patterns: int = 0

    def visit(self, node: _Node, around: tuple[_Node, ...] = ()) -> None:
        """Note what is wrong with ``node`` and below it; ``around``: the macros in which it is repeated."""
        depth = len(around)
        if around and _is_own(node, around[-1].name):
            self.visit(node.children[1].children[0], around)
            return
        if node.kind == "call":
            self._call(node, around)
        elif node.kind == "constant" and isinstance(node.constant, str) and nfc(node.constant) != node.constant:
            self.faults.append((f"{node.constant!a} equals nothing: texts are compared as composed (Unicode NFC).", node.id))
        elif node.kind in ("list", "map") and depth:
            if not _is_constant(node):
                self.faults.append(("Inside a macro a list or a map may hold constants only.", node.id))
            elif _members(node) > MEMBERS:
                self.faults.append((f"Inside a macro a list or a map has {MEMBERS} members at most.", node.id))
        elif node.kind == "macro":
            self.macros += 1
            if self.macros > MACROS or depth >= NESTED:
                self.faults.append((f"A condition has {MACROS} macros at most, nested {NESTED} deep at most.", node.id))
                return
        for child in node.children:
            self.visit(child, around)
        for part in node.loops:
            self.visit(part, (*around, node))

    def _call(self, node: _Node, around: tuple[_Node, ...]) -> None:
        overloads = self.overloads.get(node.id, set())
        if node.name == "matches":
            self._pattern(node, around)
        if node.name == _PLUS and not (overloads and overloads <= _NUMERIC):
            self.concatenations += 1
            if around:
                self.faults.append(("Inside a macro nothing may be put together with +.", node.id))
            elif self.concatenations > CONCATENATIONS:
                self.faults.append((f"A condition puts texts or lists together {CONCATENATIONS} times at most.", node.id))
        for overload in overloads & _TRIED.keys():
            position, trial, what = _TRIED[overload]
            for constant in _constants(node.children[position : position + 1]):
                if isinstance(constant.constant, str) and not trial(constant.constant):
                    self.faults.append((f"{constant.constant!r} is no {what}.", constant.id))

    def _pattern(self, node: _Node, around: tuple[_Node, ...]) -> None:
        """A regular expression is fixed and small, and no text is searched more than once by it."""
        text, pattern = node.children[0], node.children[-1].constant
        self.patterns += 1
        if self.patterns > PATTERNS:
            self.faults.append((f"A condition has {PATTERNS} regular expressions at most.", node.id))
        if not isinstance(pattern, str) or len(pattern) > PATTERN_LENGTH or _repetitions(pattern) > REPETITIONS:
            message = f"A regular expression is a constant of {PATTERN_LENGTH} characters at most, and repeats {REPETITIONS} times at most."
            self.faults.append((message, node.id))
        if around and not (len(around) == 1 and text.name == around[0].variable and around[0].children[0].kind in ("name", "member")):
            self.faults.append(("Inside a macro a regular expression reads the items of a declared list only.", node.id))


def faults(program: Any) -> list[Fault]:
    """Return why this compiled condition may not be saved, in the order of the source; empty for a good one."""
    packed = AnyMessage()
    packed.ParseFromString(program.serialize())
    checked = _read(packed.value)
    overloads = {
        entry[1][0]: {name.decode() for name in _read(entry[2][0])[3]} for raw in checked[2] if 2 in (entry := _read(raw)) and 1 in entry
    }
    positions = {entry[1][0]: (entry[2] or [0])[0] for raw in _read(checked[5][0])[4] if (entry := _read(raw))}
    walk = _Walk(overloads)
    walk.visit(_node(checked[4][0]))
    return sorted((Fault(message, positions.get(at, 0)) for message, at in walk.faults), key=lambda fault: fault.offset)


def _is_own(node: _Node, accumulator: str) -> bool:
    """Whether this is what ``map`` and ``filter`` do themselves: ``@result + [item]``. Nobody can write a name with an @."""
    if node.kind != "call" or node.name != _PLUS or not accumulator.startswith("@"):
        return False
    left, right = node.children
    return left.kind == "name" and left.name == accumulator and right.kind == "list" and len(right.children) == 1


def _is_constant(node: _Node) -> bool:
    return node.kind == "constant" or (node.kind in ("list", "map") and all(map(_is_constant, node.children)))


def _members(node: _Node) -> int:
    """How many values a list or a map of constants makes each time that it is evaluated; a key and its value are two."""
    return sum(1 + _members(child) for child in node.children)


def _repetitions(pattern: str) -> int:
    """How often the counted repetitions of a regular expression write it out together, at most: ``(a{2,10}b){5}`` 50 times."""
    return math.prod(int(most or least or 1) or 1 for least, most in _COUNTED.findall(pattern))


def _constants(nodes: tuple[_Node, ...]) -> Iterator[_Node]:
    """The constants among these, and in lists that are written out."""
    for node in nodes:
        if node.kind == "constant":
            yield node
        elif node.kind == "list":
            yield from _constants(node.children)


def _read(raw: bytes) -> Mapping[int, list[Any]]:
    """The fields of a message of cel/expr/syntax.proto or checked.proto by number, as protobuf reads what it has no schema for."""
    message, found = Empty(), defaultdict[int, list[Any]](list)
    message.ParseFromString(raw)
    for each in UnknownFieldSet(message):
        found[each.field_number].append(each.data)
    return found


def _node(raw: bytes) -> _Node:
    read = _read(raw)
    number = (read[2] or [0])[0]
    for at, make in _MADE.items():
        if read.get(at):
            return make(number, _read(read[at][0]))
    return _Node(number, "nothing")


def _all(raws: list[bytes]) -> tuple[_Node, ...]:
    return tuple(map(_node, raws))


def _text(raws: list[bytes]) -> str:
    return raws[0].decode() if raws else ""


def _constant(number: int, of: Mapping[int, list[Any]]) -> _Node:
    return _Node(number, "constant", constant=of[6][0].decode() if of[6] else True)


def _map(number: int, of: Mapping[int, list[Any]]) -> _Node:
    entries = [_read(raw) for raw in of[2]]
    return _Node(number, "map", children=tuple(node for entry in entries for node in _all([*entry[3], *entry[4]])))


# The members of Expr by their numbers. Of a macro (a comprehension), range and initial value are computed once, the rest in each round.
_MADE: dict[int, Callable[[int, Mapping[int, list[Any]]], _Node]] = {
    3: _constant,
    4: lambda number, of: _Node(number, "name", _text(of[1])),
    5: lambda number, of: _Node(number, "member", children=_all(of[1])),
    6: lambda number, of: _Node(number, "call", _text(of[2]), children=_all([*of[1], *of[3]])),
    7: lambda number, of: _Node(number, "list", children=_all(of[1])),
    8: _map,
    9: lambda number, of: _Node(
        number, "macro", _text(of[3]), children=_all([*of[2], *of[4]]), loops=_all([*of[5], *of[6], *of[7]]), variable=_text(of[1])
    ),
}


def _is_network(text: str) -> bool:
    try:
        addresses.network(text)
    except ValueError:
        return False
    return True


def _succeeds(source: str) -> Callable[[str], bool]:
    """Whether ``source`` can be evaluated when ``tried`` is this constant: CEL itself says what it understands."""

    def trial(constant: str) -> bool:
        try:
            return bool(_probe(source).eval(data={"tried": constant}).type() != cel.Type.ERROR)
        except Exception:  # the binding raises whatever C++ threw
            return False

    return trial


@lru_cache(maxsize=16)
def _probe(source: str) -> Any:
    return cel.NewEnv(variables={"tried": cel.Type.STRING}).compile(source)


_ZONE = (1, _succeeds('timestamp("2026-01-01T00:00:00Z").getHours(tried)'), "time zone")
_ZONED = ("year", "month", "day_of_year", "day_of_month", "day_of_month_1_based", "day_of_week", "hours", "minutes", "milliseconds")
# By overload: which argument is tried (a method's own object is the first), how, and what it should be.
_TRIED: dict[str, tuple[int, Callable[[str], bool], str]] = {
    "ip_within_networks": (1, _is_network, "network; write it like 192.0.2.0/24"),
    "matches": (1, _succeeds('"".matches(tried)'), "regular expression"),
    "matches_string": (1, _succeeds('"".matches(tried)'), "regular expression"),
    "string_to_timestamp": (0, _succeeds("timestamp(tried)"), "time; write it like 2026-01-31T12:00:00Z"),
    "string_to_duration": (0, _succeeds("duration(tried)"), "duration; write it like 90s or 1h30m"),
    "string_to_int64": (0, _succeeds("int(tried)"), "whole number"),
    "string_to_uint64": (0, _succeeds("uint(tried)"), "whole number"),
    "string_to_double": (0, _succeeds("double(tried)"), "number"),
    "timestamp_to_seconds_tz": _ZONE,
    **{f"timestamp_to_{part}_with_tz": _ZONE for part in _ZONED},
}
