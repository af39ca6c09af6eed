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
from flows.conditions.syntax import Failed, Node, Tree
from idp.foundation.condition_variables import WordType

_ADDRESSES = ("request.ip", "device.address")
_NETWORKS = "tenant.networks"
_COUNTRY = "request.country"
_CLOCK = "request.time"
_AND, _OR, _NOT, _IF = "_&&_", "_||_", "!_", "_?_:_"
_IN, _EQUAL, _OTHER, _INDEX = "@in", "_==_", "_!=_", "_[_]"
_COMPARING = {_AND, _OR, _NOT, _IF, _IN, _EQUAL, _OTHER}
_ORDERING = {"_<_", "_<=_", "_>_", "_>=_"}
_DAY = "getDayOfWeek"
_HOURLY = {"getHours", _DAY}
_MINUTES = {"getMinutes"}
_NUMERIC = {"_+_", "_-_", "_*_", "_/_", "_%_", "-_"}
_MOST_TEXTS = 6  # of a list, because each combination is evaluated
_MOST_TRIALS = 50_000  # per condition: 20,000 take 0.1 s; a condition that needs more is skipped
_ANOTHER = "\ue000"  # a private-use character, which no value contains


@dataclass(frozen=True)
class Doubt:
    """A warning for the condition's author; ``offset`` is a character position, counted from 0.

    ``verdict``: the value that the whole condition always has, where that is the reason for the warning.
    """

    message: str
    offset: int
    verdict: bool | None = None


@dataclass(frozen=True)
class Comparison:
    """A text with which a condition compares a variable."""

    word: str
    text: str
    offset: int


@lru_cache(maxsize=1024)
def doubts(condition: Condition, given: frozenset[str] = frozenset()) -> tuple[Doubt, ...]:
    """Return all warnings about the condition, in source order.

    ``given``: map keys whose presence the enclosing conditions have tested.
    """
    found = [
        *_settled(condition.tree, dict(condition.types)),
        *_unsure(condition.tree, condition.tree.root, given),
    ]
    found += [doubt for each in comparisons(condition) if (doubt := _shape(each))]
    found += _networks(condition.tree)
    return tuple(sorted(dict.fromkeys(found), key=lambda doubt: doubt.offset))


def comparisons(condition: Condition) -> list[Comparison]:
    """Return every constant text that is compared with a declared variable or searched in its list."""
    return list(_compared(condition.tree, condition.tree.root, {}))


def asks_after(condition: Condition) -> frozenset[str]:
    """Return the keys that exist wherever this condition is true, such as ``person.attributes["team"]``."""
    return _tests(condition.tree, condition.tree.root, positive=True)


def _compared(tree: Tree, node: Node, items: Mapping[str, str]) -> Iterator[Comparison]:
    """Yield the comparisons in this expression.

    ``items``: for the item variable of each enclosing macro, the list variable that the macro iterates over.
    """
    if node.kind == "call" and node.name in (_EQUAL, _OTHER, _IN):
        for one, other in (node.children, node.children[::-1]):
            word = tree.word(one) or items.get(one.name if one.kind == "name" else "", "")
            for each in (
                (other.children if other.kind == "list" and node.name == _IN else (other,)) if word else ()
            ):
                if isinstance(each.constant, str):
                    yield Comparison(word, each.constant, tree.begins(each))
    inside = items
    if node.kind == "macro" and (word := tree.word(node.children[0])):
        inside = {**items, node.variable: word}
    for child in node.children:
        yield from _compared(tree, child, items)
    for part in node.loops:
        yield from _compared(tree, part, inside)


def _shape(each: Comparison) -> Doubt | None:
    """Return a warning if the variable can never have this value."""
    if each.word in _ADDRESSES and "/" in each.text:
        return Doubt(
            f"{each.word} is one address and never {each.text}. Use {each.word}.within([…]).", each.offset
        )
    if each.word == _COUNTRY and each.text and not re.fullmatch("[A-Z]{2}", each.text):
        return Doubt(f'"{each.text}" isn\'t a country code. Use capitals, such as "DE".', each.offset)
    return None


def _networks(tree: Tree) -> Iterator[Doubt]:
    """Yield a warning for each address that is searched among networks with ``in``."""
    for node in tree.root.every():
        if node.kind == "call" and node.name == _IN and tree.word(node.children[1]) == _NETWORKS:
            asked = tree.word(node.children[0]) or "request.ip"
            yield Doubt(
                f"{_NETWORKS} contains networks, but in compares text. Use {asked}.within({_NETWORKS}).",
                tree.begins(node),
            )


def _unsure(tree: Tree, node: Node, given: frozenset[str]) -> Iterator[Doubt]:
    """Yield a warning for each lookup that fails for people who lack the value.

    Such a lookup is an untested key of a map, or an item of a list that may be shorter.
    """
    if node.kind == "call" and node.name in (_AND, _OR):
        left, right = node.children
        for part, beside in ((left, right), (right, left)):
            yield from _unsure(tree, part, given | _tests(tree, beside, positive=node.name == _AND))
        return
    if node.kind == "call" and node.name == _IF:
        asked, yes, no = node.children
        yield from _unsure(tree, asked, given)
        yield from _unsure(tree, yes, given | _tests(tree, asked, positive=True))
        yield from _unsure(tree, no, given | _tests(tree, asked, positive=False))
        return
    if (key := _key(tree, node)) and key not in given:
        word, text = key.split("[", 1)
        message = f"This fails if {word} has no {text[:-1]}. Add {text[:-1]} in {word} && … before it."
        yield Doubt(message, tree.begins(node))
    word = tree.word(node.children[0]) if node.kind == "call" and node.name == _INDEX else ""
    if word and isinstance(at := node.children[1].constant, int) and f"{word}[]" not in given:
        yield Doubt(
            f"This fails if {word} has {at} or fewer items. Add size({word}) > {at} && … before it.",
            tree.begins(node),
        )
    for child in (*node.children, *node.loops):
        yield from _unsure(tree, child, given)


def _key(tree: Tree, node: Node) -> str:
    """Return the lookup as ``person.attributes["team"]`` in any spelling; "" for anything else."""
    if node.kind == "call" and node.name == _INDEX and isinstance(text := node.children[1].constant, str):
        word = tree.word(node.children[0])
    elif node.kind == "member" and not node.tests and not tree.word(node):
        word, text = tree.word(node.children[0]), node.name
    else:
        return ""
    return f'{word}["{text}"]' if word else ""


def _tests(tree: Tree, node: Node, *, positive: bool) -> frozenset[str]:
    """Return the keys that exist where this expression is true, or where it is false."""
    found = _sure(tree, node, positive=positive)
    return found or frozenset()


def _sure(tree: Tree, node: Node, *, positive: bool) -> frozenset[str] | None:
    """Return the keys that exist where this expression is true, or where it is false.

    Return None where that never happens, as ``false`` is never true.
    """
    if isinstance(node.constant, bool):
        return frozenset() if node.constant is positive else None
    if node.kind == "member" and node.tests and positive and (word := tree.word(node.children[0])):
        return frozenset({f'{word}["{node.name}"]'})
    if node.kind == "macro" and positive:
        return _gone_through(tree, node)
    if node.kind != "call":
        return frozenset()
    if node.name == _NOT:
        return _sure(tree, node.children[0], positive=not positive)
    if node.name in (_AND, _OR):
        return _together(
            [_sure(tree, child, positive=positive) for child in node.children],
            every=(node.name == _AND) is positive,
        )
    if node.name == _IF:
        asked, *ways = node.children
        both = [
            [_sure(tree, asked, positive=yes), _sure(tree, way, positive=positive)]
            for yes, way in zip((True, False), ways, strict=True)
        ]
        return _together([_together(each, every=True) for each in both], every=False)
    if node.name == _IN and positive:
        return _looked_up(tree, *node.children)
    return _compared_with(tree, node, positive=positive)


def _together(found: Sequence[frozenset[str] | None], *, every: bool) -> frozenset[str] | None:
    """Combine the keys of several expressions: all of them hold, or one of them and it is unknown which."""
    if every:
        return None if None in found else frozenset().union(*(each for each in found if each is not None))
    possible = [each for each in found if each is not None]
    return frozenset.intersection(*possible) if possible else None


def _looked_up(tree: Tree, key: Node, among: Node) -> frozenset[str]:
    """Return the keys that ``"team" in person.attributes`` implies.

    A list that contains a value is not empty.
    """
    word = tree.word(among)
    if not word:
        return frozenset()
    return frozenset({f"{word}[]", *([f'{word}["{key.constant}"]'] if isinstance(key.constant, str) else [])})


def _gone_through(tree: Tree, node: Node) -> frozenset[str]:
    """Return the keys that ``person.attributes.exists(key, key == "team")`` implies.

    ``all`` implies none, because it is true for an empty list too.
    """
    word = tree.word(node.children[0])
    if not word or node.children[1].constant is not False:
        return frozenset()
    found = [
        each
        for part in node.loops
        for each in _chain(part, _OR)
        if part.name == _OR and each.name != node.name
    ]
    keys = {
        f'{word}["{text.constant}"]'
        for call in (_chain(found[0], _AND) if len(found) == 1 else ())
        if call.kind == "call" and call.name == _EQUAL
        for name, text in (call.children, call.children[::-1])
        if name.kind == "name" and name.name == node.variable and isinstance(text.constant, str)
    }
    return frozenset({f"{word}[]", *keys})


def _compared_with(tree: Tree, node: Node, *, positive: bool) -> frozenset[str] | None:
    """Return the keys that a comparison implies, such as ``… == true``.

    How long a list must be is left to the author.
    """
    if node.name in (_EQUAL, _OTHER):
        for one, other in (node.children, node.children[::-1]):
            if isinstance(other.constant, bool):
                return _sure(tree, one, positive=(other.constant is positive) is (node.name == _EQUAL))
    if node.name in (*_ORDERING, _EQUAL, _OTHER):
        lists = (
            child.children[0] if child.kind == "call" and child.name == "size" else child
            for child in node.children
        )
        return frozenset(f"{word}[]" for each in lists if (word := tree.word(each)))
    return frozenset()


def _settled(tree: Tree, types: Mapping[str, WordType]) -> Iterator[Doubt]:
    """Yield a warning for each subexpression that is always or never true; of nested ones the largest."""
    yield from _weighed(tree, tree.root, types, [_MOST_TRIALS])


def _weighed(tree: Tree, node: Node, types: Mapping[str, WordType], left: list[int]) -> Iterator[Doubt]:
    chain = _chain(node, node.name) if node.kind == "call" and node.name in (_AND, _OR) else [node]
    groups: dict[frozenset[str], list[Node]] = {}
    for each in chain:
        groups.setdefault(tree.reads(each), []).append(each)
    settled = set[int]()
    for words, parts in groups.items():
        values = _values(tree, parts, next(iter(words), ""), types) if len(words) < 2 else []
        left[0] -= len(values) * len(parts)
        if not values or left[0] < 0:
            continue
        verdict = _verdict(tree, parts, values, all if node.name == _AND else any)
        if verdict is not None:
            settled |= {part.id for part in parts}
            whole = node is tree.root and (len(parts) == len(chain) or verdict is (node.name == _OR))
            told = _told(next(iter(words), ""), verdict=verdict, whole=whole)
            yield Doubt(told, min(map(tree.begins, parts)), verdict if whole else None)
    for each in chain:
        inner = (
            each.children
            if each.kind == "call" and each.name in (_NOT, _IF)
            else ()
            if each is node
            else (each,)
        )
        for part in inner if each.id not in settled else ():
            if part.kind == "call" and part.name in (_AND, _OR, _NOT, _IF):
                yield from _weighed(tree, part, types, left)


def _chain(node: Node, operator: str) -> list[Node]:
    """Return the operands of ``a && b && c``."""
    if node.kind == "call" and node.name == operator:
        return [part for child in node.children for part in _chain(child, operator)]
    return [node]


def _told(word: str, *, verdict: bool, whole: bool) -> str:
    what, says = (
        "The condition" if whole else "This part of the condition",
        "always true" if verdict else "never true",
    )
    every = "every" if verdict else "any"
    if word == _CLOCK:
        return f"{what} is {says}, at {every} hour of the week."
    return f"{what} is {says}{f', for {every} value of {word}' if word else ''}."


def _verdict(
    tree: Tree,
    parts: Sequence[Node],
    values: Sequence[Mapping[str, Any]],
    together: Callable[[Iterator[bool]], bool],
) -> bool | None:
    """Return the value that all (or any) of these expressions have for every value; None where it varies."""
    evaluators = [tree.evaluator(part) for part in parts]
    try:
        first = together(each(values[0]) is True for each in evaluators)
        same = all(together(each(value) is True for each in evaluators) is first for value in values[1:])
    except Failed:
        return None
    return first if same else None


def _values(
    tree: Tree, parts: Sequence[Node], word: str, types: Mapping[str, WordType]
) -> list[dict[str, Any]]:
    """Return every value of the variable that could make a difference to these expressions.

    ``word`` is "" where they read no variable. The result is [] where the values cannot be enumerated.
    """
    if not word:
        return [{}]
    nodes = [each for part in parts for each in part.every()]
    calls, constants = (
        {each.name for each in nodes if each.kind == "call"},
        [each.constant for each in nodes if each.kind == "constant"],
    )
    type_ = types.get(word)
    if word == _CLOCK:
        return (
            _week(days=7 if _DAY in calls else 1, minutes=bool(calls & _MINUTES))
            if _periodic(tree, nodes, calls)
            else []
        )
    if any(each.kind in ("macro", "member", "map") and not tree.word(each) for each in nodes):
        return []
    if type_ == "bool" and calls <= _COMPARING:
        return [{word: value} for value in (True, False)]
    if type_ == "string" and calls <= _COMPARING:
        return [
            {word: text}
            for text in dict.fromkeys([*(each for each in constants if isinstance(each, str)), "", _ANOTHER])
        ]
    if type_ == "int" and calls <= _COMPARING | _ORDERING:
        numbers = {
            each + more
            for each in constants
            if isinstance(each, int)
            for more in (-1, 0, 1)
            if abs(each) < 2**62
        }
        return [{word: number} for number in sorted(numbers | {0})]
    if type_ == "list(string)" and calls <= _COMPARING - {_EQUAL, _OTHER}:
        texts = list(dict.fromkeys(each for each in constants if isinstance(each, str)))
        if len(texts) <= _MOST_TEXTS:
            return [
                {word: list(some)} for size in range(len(texts) + 1) for some in combinations(texts, size)
            ]
    return []


def _periodic(tree: Tree, nodes: Sequence[Node], calls: set[str]) -> bool:
    """Return whether the clock is only used for values that repeat every week."""
    asked = sum(each.kind == "call" and each.name in _HOURLY | _MINUTES for each in nodes)
    return asked == sum(tree.word(each) == _CLOCK for each in nodes) and calls <= (
        _COMPARING | _ORDERING | _HOURLY | _MINUTES | _NUMERIC
    )


@lru_cache(maxsize=4)
def _week(*, days: int, minutes: bool) -> list[dict[str, datetime]]:
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
