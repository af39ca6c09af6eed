"""Warns of conditions that are valid CEL but probably not what their author means.

Such a condition is always or never true, or fails for people who lack a value.

Nothing is guessed: the subexpressions are evaluated with every value that could make a difference. For the
time these are the quarter hours of one week in winter and one in summer. For a text they are the constants
with which it is compared, and one other text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Any

from flows.conditions.expressions import Condition
from flows.conditions.implied_keys import implied_keys, lookup_key
from flows.conditions.syntax import (
    AND,
    EQUAL,
    IF,
    IN,
    INDEX,
    NOT,
    NOT_EQUAL,
    OR,
    ORDERING,
    EvaluationError,
    SyntaxNode,
    SyntaxTree,
    operands,
)
from idp.foundation.condition_variables import VariableType

_ADDRESSES = ("request.ip", "device.address")
_NETWORKS = "tenant.networks"
_COUNTRY = "request.country"
_CLOCK = "request.time"
_COMPARING = {AND, OR, NOT, IF, IN, EQUAL, NOT_EQUAL}
_DAY = "getDayOfWeek"
_HOURLY = {"getHours", _DAY}
_MINUTES = {"getMinutes"}
_NUMERIC = {"_+_", "_-_", "_*_", "_/_", "_%_", "-_"}
_MAX_TEXTS = 6  # of a list, because each combination is evaluated
_MAX_EVALUATIONS = 50_000  # per condition: 20,000 take 0.1 s; a condition that needs more is skipped
_UNMENTIONED_TEXT = "\ue000"  # a private-use character, which no value contains


@dataclass(frozen=True)
class ConditionWarning:
    """A warning for the condition's author; ``offset`` is a character position, counted from 0.

    ``constant_value``: the value that the whole condition always has, where that is the reason for the
    warning.
    """

    message: str
    offset: int
    constant_value: bool | None = None


@dataclass(frozen=True)
class Comparison:
    """A text with which a condition compares a variable."""

    variable: str
    text: str
    offset: int


@lru_cache(maxsize=1024)
def find_warnings(
    condition: Condition, known_keys: frozenset[str] = frozenset()
) -> tuple[ConditionWarning, ...]:
    """Return all warnings about the condition, in source order.

    ``known_keys``: map keys whose presence the enclosing conditions have tested.
    """
    found = [
        *_constant_warnings(condition.tree, dict(condition.types)),
        *_lookup_warnings(condition.tree, condition.tree.root, known_keys),
    ]
    found += [doubt for each in find_comparisons(condition) if (doubt := _value_warning(each))]
    found += _network_warnings(condition.tree)
    return tuple(sorted(dict.fromkeys(found), key=lambda doubt: doubt.offset))


def find_comparisons(condition: Condition) -> list[Comparison]:
    """Return every constant text that is compared with a declared variable or searched in its list."""
    return list(_iter_comparisons(condition.tree, condition.tree.root, {}))


def _iter_comparisons(tree: SyntaxTree, node: SyntaxNode, items: Mapping[str, str]) -> Iterator[Comparison]:
    """Yield the comparisons in this expression.

    ``items``: for the item variable of each enclosing macro, the list variable that the macro iterates over.
    """
    if node.kind == "call" and node.name in (EQUAL, NOT_EQUAL, IN):
        for one, other in (node.children, node.children[::-1]):
            variable = tree.variable_name(one) or items.get(one.name if one.kind == "name" else "", "")
            if not variable:
                continue
            compared = other.children if other.kind == "list" and node.name == IN else (other,)
            for each in compared:
                if isinstance(each.constant, str):
                    yield Comparison(variable, each.constant, tree.start_offset(each))
    inside = items
    if node.kind == "macro" and (variable := tree.variable_name(node.children[0])):
        inside = {**items, node.variable: variable}
    for child in node.children:
        yield from _iter_comparisons(tree, child, items)
    for part in node.loop_parts:
        yield from _iter_comparisons(tree, part, inside)


def _value_warning(each: Comparison) -> ConditionWarning | None:
    """Return a warning if the variable can never have this value."""
    if each.variable in _ADDRESSES and "/" in each.text:
        return ConditionWarning(
            f"{each.variable} is one address and never {each.text}. Use {each.variable}.within([…]).",
            each.offset,
        )
    if each.variable == _COUNTRY and each.text and not re.fullmatch("[A-Z]{2}", each.text):
        return ConditionWarning(
            f'"{each.text}" isn\'t a country code. Use capitals, such as "DE".', each.offset
        )
    return None


def _network_warnings(tree: SyntaxTree) -> Iterator[ConditionWarning]:
    """Yield a warning for each address that is searched among networks with ``in``."""
    for node in tree.root.iter_nodes():
        if node.kind == "call" and node.name == IN and tree.variable_name(node.children[1]) == _NETWORKS:
            variable = tree.variable_name(node.children[0]) or "request.ip"
            yield ConditionWarning(
                f"{_NETWORKS} contains networks, but in compares text. Use {variable}.within({_NETWORKS}).",
                tree.start_offset(node),
            )


def _lookup_warnings(
    tree: SyntaxTree, node: SyntaxNode, known_keys: frozenset[str]
) -> Iterator[ConditionWarning]:
    """Yield a warning for each lookup that fails for people who lack the value.

    Such a lookup is an untested key of a map, or an item of a list that may be shorter.
    """
    if node.kind == "call" and node.name in (AND, OR):
        left, right = node.children
        for part, beside in ((left, right), (right, left)):
            yield from _lookup_warnings(
                tree, part, known_keys | implied_keys(tree, beside, positive=node.name == AND)
            )
        return
    if node.kind == "call" and node.name == IF:
        condition, yes, no = node.children
        yield from _lookup_warnings(tree, condition, known_keys)
        yield from _lookup_warnings(tree, yes, known_keys | implied_keys(tree, condition, positive=True))
        yield from _lookup_warnings(tree, no, known_keys | implied_keys(tree, condition, positive=False))
        return
    if (key := lookup_key(tree, node)) and key not in known_keys:
        variable, text = key.split("[", 1)
        message = (
            f"This fails if {variable} has no {text[:-1]}. Add {text[:-1]} in {variable} && … before it."
        )
        yield ConditionWarning(message, tree.start_offset(node))
    if node.kind == "call" and node.name == INDEX:
        variable, at = tree.variable_name(node.children[0]), node.children[1].constant
        if variable and isinstance(at, int) and f"{variable}[]" not in known_keys:
            message = (
                f"This fails if {variable} has {at} or fewer items. "
                f"Add size({variable}) > {at} && … before it."
            )
            yield ConditionWarning(message, tree.start_offset(node))
    for child in (*node.children, *node.loop_parts):
        yield from _lookup_warnings(tree, child, known_keys)


def _constant_warnings(tree: SyntaxTree, types: Mapping[str, VariableType]) -> Iterator[ConditionWarning]:
    """Yield a warning for each subexpression that is always or never true; of nested ones the largest."""
    yield from _iter_constant_warnings(tree, tree.root, types, [_MAX_EVALUATIONS])


def _iter_constant_warnings(
    tree: SyntaxTree, node: SyntaxNode, types: Mapping[str, VariableType], budget: list[int]
) -> Iterator[ConditionWarning]:
    chain = operands(node, node.name) if node.kind == "call" and node.name in (AND, OR) else [node]
    groups: dict[frozenset[str], list[SyntaxNode]] = {}
    for each in chain:
        groups.setdefault(tree.variables_read(each), []).append(each)
    constant = set[int]()
    for variables, parts in groups.items():
        values = _relevant_values(tree, parts, next(iter(variables), ""), types) if len(variables) < 2 else []
        budget[0] -= len(values) * len(parts)
        if not values or budget[0] < 0:
            continue
        value = _constant_value(tree, parts, values, all if node.name == AND else any)
        if value is not None:
            constant |= {part.id for part in parts}
            whole = node is tree.root and (len(parts) == len(chain) or value is (node.name == OR))
            message = _describe_constant(next(iter(variables), ""), value=value, whole=whole)
            yield ConditionWarning(message, min(map(tree.start_offset, parts)), value if whole else None)
    for each in chain:
        if each.id in constant:
            continue
        if each.kind == "call" and each.name in (NOT, IF):
            inner = each.children
        else:
            inner = () if each is node else (each,)
        for part in inner:
            if part.kind == "call" and part.name in (AND, OR, NOT, IF):
                yield from _iter_constant_warnings(tree, part, types, budget)


def _describe_constant(variable: str, *, value: bool, whole: bool) -> str:
    subject, predicate = (
        "The condition" if whole else "This part of the condition",
        "always true" if value else "never true",
    )
    every = "every" if value else "any"
    if variable == _CLOCK:
        return f"{subject} is {predicate}, at {every} hour of the week."
    return f"{subject} is {predicate}{f', for {every} value of {variable}' if variable else ''}."


def _constant_value(
    tree: SyntaxTree,
    parts: Sequence[SyntaxNode],
    values: Sequence[Mapping[str, Any]],
    combine: Callable[[Iterator[bool]], bool],
) -> bool | None:
    """Return the value that all (or any) of these expressions have for every value; None where it varies."""
    evaluators = [tree.evaluator(part) for part in parts]
    try:
        first = combine(each(values[0]) is True for each in evaluators)
        same = all(combine(each(value) is True for each in evaluators) is first for value in values[1:])
    except EvaluationError:
        return None
    return first if same else None


def _relevant_values(
    tree: SyntaxTree, parts: Sequence[SyntaxNode], variable: str, types: Mapping[str, VariableType]
) -> list[dict[str, Any]]:
    """Return every value of the variable that could make a difference to these expressions.

    ``variable`` is "" where they read no variable. The result is [] where the values cannot be enumerated.
    """
    if not variable:
        return [{}]
    nodes = [each for part in parts for each in part.iter_nodes()]
    calls = {each.name for each in nodes if each.kind == "call"}
    constants = [each.constant for each in nodes if each.kind == "constant"]
    texts = list(dict.fromkeys(each for each in constants if isinstance(each, str)))
    type_ = types.get(variable)
    if variable == _CLOCK and not _is_periodic(tree, nodes, calls):
        return []
    if variable == _CLOCK:
        return _times_of_week(days=7 if _DAY in calls else 1, minutes=bool(calls & _MINUTES))
    if any(each.kind in ("macro", "member", "map") and not tree.variable_name(each) for each in nodes):
        return []
    if type_ == "bool" and calls <= _COMPARING:
        return [{variable: value} for value in (True, False)]
    if type_ == "string" and calls <= _COMPARING:
        return [{variable: text} for text in dict.fromkeys([*texts, "", _UNMENTIONED_TEXT])]
    if type_ == "int" and calls <= _COMPARING | ORDERING:
        numbers = {
            each + more
            for each in constants
            if isinstance(each, int)
            for more in (-1, 0, 1)
            if abs(each) < 2**62
        }
        return [{variable: number} for number in sorted(numbers | {0})]
    if type_ == "list(string)" and calls <= _COMPARING - {EQUAL, NOT_EQUAL}:
        sizes = range(len(texts) + 1) if len(texts) <= _MAX_TEXTS else ()
        return [{variable: list(some)} for size in sizes for some in combinations(texts, size)]
    return []


def _is_periodic(tree: SyntaxTree, nodes: Sequence[SyntaxNode], calls: set[str]) -> bool:
    """Return whether the clock is only used for values that repeat every week."""
    reads = sum(each.kind == "call" and each.name in _HOURLY | _MINUTES for each in nodes)
    return reads == sum(tree.variable_name(each) == _CLOCK for each in nodes) and calls <= (
        _COMPARING | ORDERING | _HOURLY | _MINUTES | _NUMERIC
    )


@lru_cache(maxsize=4)
def _times_of_week(*, days: int, minutes: bool) -> list[dict[str, datetime]]:
    """Return the times of a week in winter and one in summer at which the result could change.

    Zones differ by multiples of a quarter of an hour, and in summer by one hour more. Where no day is read,
    one day stands for all. For every minute of a whole week, only one week is used, because they are many.
    """
    step, begins = (
        timedelta(minutes=1 if minutes else 15),
        (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))[
            : 1 if minutes and days > 1 else 2
        ],
    )
    return [{_CLOCK: begin + step * at} for begin in begins for at in range(timedelta(days=days) // step)]
