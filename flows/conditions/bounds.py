"""Limits what a condition can build and checks its constants, on the syntax tree of the CEL compiler.

CEL's own budget counts iterations, not sizes. A macro that doubles a text in each round takes gigabytes in a
few rounds. A regular expression on a long text takes milliseconds in each of ten thousand rounds, while the
whole process waits. Therefore nothing is built inside a macro: no concatenation, and no list or map other
than a short one of constants. What is left can only choose among values that exist already, and stays as
small as the condition and what it reads.

A constant expression fails for everyone or for no one. Each subexpression that needs no outside value is
evaluated when the condition is saved. A constant argument beside an unknown value is tested in its position.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from flows.conditions.hours import all_time_zones
from flows.conditions.syntax import EvaluationError, SyntaxNode, SyntaxTree
from idp.foundation import addresses
from idp.foundation.text import did_you_mean, nfc

MAX_CONCATENATIONS = 4
MAX_MACROS = 8
MAX_MACRO_DEPTH = 3
MAX_PATTERNS = 8
MAX_PATTERN_LENGTH = 200
MAX_MEMBERS = 50
MAX_REPETITIONS = 100
_PLUS = "_+_"
_COUNTED = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_NUMERIC = {
    "add_int64",
    "add_uint64",
    "add_double",
    "add_duration_duration",
    "add_duration_timestamp",
    "add_timestamp_duration",
}


@dataclass(frozen=True)
class Violation:
    """The reason why a condition is refused; ``offset`` is its character position, counted from 0."""

    message: str
    offset: int


@dataclass
class _BoundsChecker:
    tree: SyntaxTree
    violations: list[tuple[str, int]] = field(default_factory=list)
    concatenations: int = 0
    macros: int = 0
    patterns: int = 0

    def visit(self, node: SyntaxNode, enclosing: tuple[SyntaxNode, ...] = ()) -> None:
        """Record the violations in ``node`` and below it.

        ``enclosing``: the macros in which it is repeated, outermost first.
        """
        depth = len(enclosing)
        if enclosing and _is_accumulation(node, enclosing[-1].name):
            self.visit(node.children[1].children[0], enclosing)
            return
        if node.kind == "call":
            self._check_call(node, enclosing)
        elif (
            node.kind == "constant" and isinstance(node.constant, str) and nfc(node.constant) != node.constant
        ):
            self.violations.append(
                (f"{node.constant!a} never matches: text is compared in Unicode NFC form.", node.id)
            )
        elif node.kind in ("list", "map") and depth:
            if not node.is_literal:
                self.violations.append(("Lists and maps inside a macro can only contain constants.", node.id))
            elif _count_members(node) > MAX_MEMBERS:
                self.violations.append(
                    (f"Lists and maps inside a macro can have at most {MAX_MEMBERS} members.", node.id)
                )
        elif node.kind == "macro":
            self.macros += 1
            if self.macros > MAX_MACROS or depth >= MAX_MACRO_DEPTH:
                message = (
                    f"A condition can have at most {MAX_MACROS} macros, nested {MAX_MACRO_DEPTH} levels deep."
                )
                self.violations.append((message, node.id))
                return
        for child in node.children:
            self.visit(child, enclosing)
        for part in node.loop_parts:
            self.visit(part, (*enclosing, node))

    def _check_call(self, node: SyntaxNode, enclosing: tuple[SyntaxNode, ...]) -> None:
        overloads = self.tree.overloads.get(node.id, frozenset())
        if node.name == "matches":
            self._check_pattern(node, enclosing)
        if node.name == _PLUS and not (overloads and overloads <= _NUMERIC):
            self.concatenations += 1
            if enclosing:
                self.violations.append(("Text or lists can't be joined with + inside a macro.", node.id))
            elif self.concatenations > MAX_CONCATENATIONS:
                self.violations.append(
                    (f"A condition can join text or lists at most {MAX_CONCATENATIONS} times.", node.id)
                )
        if node.name in ("_/_", "_%_") and node.children[1].constant == 0:
            self.violations.append(("Division by zero.", node.children[1].id))
        if "index_list" in overloads:
            self._check_index(node.children[1])

    def _check_index(self, node: SyntaxNode) -> None:
        at = node.constant
        if isinstance(at, int) and at < 0:
            self.violations.append((f"List index {at} isn't valid; the first item is 0.", node.id))

    def check_constants(self, node: SyntaxNode, *, is_checked: bool = False) -> None:
        """Evaluate the largest constant subexpressions and record the smallest failing one.

        ``is_checked``: the expression around it was evaluated already.
        """
        before = len(self.violations)
        overloads = self.tree.overloads.get(node.id, frozenset()) & _CONSTANT_CHECKS.keys()
        for position, check, expected in (
            each for overload in overloads for each in _CONSTANT_CHECKS[overload]
        ):
            for text, at in self._constant_texts(node.children[position]):
                if not check(text):
                    hint = _time_zone_hint(text) if expected == _ZONE[2] else ""
                    self.violations.append((f"{text!r} isn't a valid {expected}.{hint}", at))
        failed = (
            ""
            if is_checked
            or node.id not in self.tree.constant_nodes
            or node.kind not in ("call", "macro", "map")
            else self._evaluation_error(node)
        )
        is_checked = is_checked or (node.id in self.tree.constant_nodes and not failed)
        for child in (*node.children, *node.loop_parts):
            self.check_constants(child, is_checked=is_checked)
        if failed and len(self.violations) == before:
            self.violations.append((f"This always fails: {_clean_message(failed)}.", node.id))

    def _evaluation_error(self, node: SyntaxNode) -> str:
        try:
            self.tree.evaluate(node, {})
        except EvaluationError as failed:
            return str(failed) or "it can't be evaluated"
        return ""

    def _constant_texts(self, node: SyntaxNode) -> Iterator[tuple[str, int]]:
        """Yield the constant texts of an expression, each with the ID of its node.

        A constant list yields each of its texts.
        """
        if node.kind == "list":
            for child in node.children:
                yield from self._constant_texts(child)
        elif isinstance(node.constant, str):
            yield node.constant, node.id
        elif node.id in self.tree.constant_nodes:
            with suppress(EvaluationError):  # reported where it fails
                value = self.tree.evaluate(node, {})
                yield from (
                    (each, node.id)
                    for each in (value if isinstance(value, list) else [value])
                    if isinstance(each, str)
                )

    def _check_pattern(self, node: SyntaxNode, enclosing: tuple[SyntaxNode, ...]) -> None:
        """Check that a regular expression is constant and small, and searches each text at most once."""
        text, pattern = node.children[0], node.children[-1].constant
        self.patterns += 1
        if self.patterns > MAX_PATTERNS:
            self.violations.append(
                (f"A condition can have at most {MAX_PATTERNS} regular expressions.", node.id)
            )
        if (
            not isinstance(pattern, str)
            or len(pattern) > MAX_PATTERN_LENGTH
            or _count_repetitions(pattern) > MAX_REPETITIONS
        ):
            message = (
                f"A regular expression must be a constant of at most {MAX_PATTERN_LENGTH} characters "
                f"and repeat at most {MAX_REPETITIONS} times."
            )
            self.violations.append((message, node.id))
        if enclosing and not (
            len(enclosing) == 1
            and text.name == enclosing[0].variable
            and enclosing[0].children[0].kind in ("name", "member")
        ):
            self.violations.append(
                ("Inside a macro, a regular expression can only test the items of a declared list.", node.id)
            )


def find_violations(tree: SyntaxTree) -> list[Violation]:
    """Return why this compiled condition may not be saved, in source order; empty for a valid one."""
    checker = _BoundsChecker(tree)
    checker.visit(tree.root)
    if not checker.violations:  # unbounded conditions are never evaluated
        checker.check_constants(tree.root)
    return sorted(
        (Violation(message, tree.positions.get(at, 0)) for message, at in checker.violations),
        key=lambda fault: fault.offset,
    )


def _is_accumulation(node: SyntaxNode, accumulator: str) -> bool:
    """Return whether this is the step that ``map`` and ``filter`` expand to: ``@result + [item]``.

    A name with an @ cannot be written in a condition.
    """
    if node.kind != "call" or node.name != _PLUS or not accumulator.startswith("@"):
        return False
    left, right = node.children
    return (
        left.kind == "name" and left.name == accumulator and right.kind == "list" and len(right.children) == 1
    )


def _count_members(node: SyntaxNode) -> int:
    """Return how many values a constant list or map creates per evaluation.

    A key and its value count as two.
    """
    return sum(1 + _count_members(child) for child in node.children)


def _count_repetitions(pattern: str) -> int:
    """Return the product of the counted repetitions of a regular expression.

    ``(a{2,10}b){5}`` yields 50, the largest number of copies that it expands to.
    """
    return math.prod(int(most or least or 1) or 1 for least, most in _COUNTED.findall(pattern))


def _clean_message(message: str) -> str:
    """Return the evaluator's message without its codes."""
    text = message.splitlines()[0] if message else "it can't be evaluated"
    text = re.sub(r"^(?:[A-Z_]+: )+|\s*\[[A-Z_]+\]|\s*\(in container ''\)", "", text).strip().rstrip(".")
    return text[:1].lower() + text[1:200]


def _time_zone_hint(zone: str) -> str:
    """Return a hint with the time zone that was probably meant."""
    candidates = all_time_zones() if "/" in zone or len(zone) > len("CEST") else ()
    return did_you_mean(zone, candidates, " Write it like Europe/Berlin.")


def _is_address(text: str) -> bool:
    try:
        addresses.parse_stored(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        addresses.parse_network(text)
    except ValueError:
        return False
    return True


def _evaluates(source: str) -> Callable[[str], bool]:
    """Return a check whether ``source`` can be evaluated when ``tried`` is a given constant.

    CEL itself decides what it understands.
    """

    def check(constant: str) -> bool:
        try:
            return bool(_probe(source).eval(data={"tried": constant}).type() != cel.Type.ERROR)
        except Exception:  # the binding raises any exception of C++
            return False

    return check


@lru_cache(maxsize=16)
def _probe(source: str) -> Any:
    return cel.NewEnv(variables={"tried": cel.Type.STRING}).compile(source)


_ConstantCheck = tuple[int, Callable[[str], bool], str]
_ZONE: _ConstantCheck = (1, _evaluates('timestamp("2026-01-01T00:00:00Z").getHours(tried)'), "time zone")
_ZONED = (
    "year",
    "month",
    "day_of_year",
    "day_of_month",
    "day_of_month_1_based",
    "day_of_week",
    "hours",
    "minutes",
    "milliseconds",
)
_PATTERN: _ConstantCheck = (1, _evaluates('"".matches(tried)'), "regular expression")
# By overload: the checked argument (a method's own object is the first), its check, and the expected value.
_CONSTANT_CHECKS: dict[str, tuple[_ConstantCheck, ...]] = {
    "ip_within_networks": (
        (0, _is_address, "address; write it like 192.0.2.1"),
        (1, _is_network, "network; write it like 192.0.2.0/24"),
    ),
    "matches": (_PATTERN,),
    "matches_string": (_PATTERN,),
    "string_to_timestamp": ((0, _evaluates("timestamp(tried)"), "time; write it like 2026-01-31T12:00:00Z"),),
    "string_to_duration": ((0, _evaluates("duration(tried)"), "duration; write it like 90s or 1h30m"),),
    "string_to_int64": ((0, _evaluates("int(tried)"), "whole number"),),
    "string_to_uint64": ((0, _evaluates("uint(tried)"), "whole number"),),
    "string_to_double": ((0, _evaluates("double(tried)"), "number"),),
    "string_to_bool": ((0, _evaluates("bool(tried)"), "boolean; use true or false"),),
    "timestamp_to_seconds_tz": (_ZONE,),
    **{f"timestamp_to_{part}_with_tz": (_ZONE,) for part in _ZONED},
}
