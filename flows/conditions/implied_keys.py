"""The keys that must exist where a condition is true, so that looking them up cannot fail.

A key is written ``person.attributes["team"]``; ``person.groups[]`` means that a list is not empty.
"""

from collections.abc import Sequence

from flows.conditions.expressions import Condition
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
    SyntaxNode,
    SyntaxTree,
    operands,
)


def guaranteed_keys(condition: Condition) -> frozenset[str]:
    """Return the keys that exist wherever this condition is true, such as ``person.attributes["team"]``."""
    return implied_keys(condition.tree, condition.tree.root, positive=True)


def lookup_key(tree: SyntaxTree, node: SyntaxNode) -> str:
    """Return the lookup as ``person.attributes["team"]`` in any spelling; "" for anything else."""
    if node.kind == "call" and node.name == INDEX:
        text = node.children[1].constant
    elif node.kind == "member" and not node.is_presence_test and not tree.variable_name(node):
        text = node.name
    else:
        return ""
    variable = tree.variable_name(node.children[0])
    return f'{variable}["{text}"]' if variable and isinstance(text, str) else ""


def implied_keys(tree: SyntaxTree, node: SyntaxNode, *, positive: bool) -> frozenset[str]:
    """Return the keys that exist where this expression is true, or where it is false."""
    found = _implied_keys_if_possible(tree, node, positive=positive)
    return found or frozenset()


def _implied_keys_if_possible(tree: SyntaxTree, node: SyntaxNode, *, positive: bool) -> frozenset[str] | None:
    """Return the keys that exist where this expression is true, or where it is false.

    Return None where that never happens, as ``false`` is never true.
    """
    if isinstance(node.constant, bool):
        return frozenset() if node.constant is positive else None
    if (
        node.kind == "member"
        and node.is_presence_test
        and positive
        and (variable := tree.variable_name(node.children[0]))
    ):
        return frozenset({f'{variable}["{node.name}"]'})
    if node.kind == "macro" and positive:
        return _keys_of_exists(tree, node)
    if node.kind != "call":
        return frozenset()
    if node.name == NOT:
        return _implied_keys_if_possible(tree, node.children[0], positive=not positive)
    if node.name in (AND, OR):
        return _combine(
            [_implied_keys_if_possible(tree, child, positive=positive) for child in node.children],
            every=(node.name == AND) is positive,
        )
    if node.name == IF:
        condition, *branches = node.children
        possible = [
            [
                _implied_keys_if_possible(tree, condition, positive=yes),
                _implied_keys_if_possible(tree, branch, positive=positive),
            ]
            for yes, branch in zip((True, False), branches, strict=True)
        ]
        return _combine([_combine(each, every=True) for each in possible], every=False)
    if node.name == IN and positive:
        return _keys_of_in(tree, *node.children)
    return _keys_of_comparison(tree, node, positive=positive)


def _combine(found: Sequence[frozenset[str] | None], *, every: bool) -> frozenset[str] | None:
    """Combine the keys of several expressions: all of them hold, or one of them and it is unknown which."""
    if every:
        return None if None in found else frozenset().union(*(each for each in found if each is not None))
    possible = [each for each in found if each is not None]
    return frozenset.intersection(*possible) if possible else None


def _keys_of_in(tree: SyntaxTree, key: SyntaxNode, among: SyntaxNode) -> frozenset[str]:
    """Return the keys that ``"team" in person.attributes`` implies.

    A list that contains a value is not empty.
    """
    variable = tree.variable_name(among)
    if not variable:
        return frozenset()
    return frozenset(
        {f"{variable}[]", *([f'{variable}["{key.constant}"]'] if isinstance(key.constant, str) else [])}
    )


def _keys_of_exists(tree: SyntaxTree, node: SyntaxNode) -> frozenset[str]:
    """Return the keys that ``person.attributes.exists(key, key == "team")`` implies.

    ``all`` implies none, because it is true for an empty list too.
    """
    variable = tree.variable_name(node.children[0])
    if not variable or node.children[1].constant is not False:
        return frozenset()
    found = [
        each
        for part in node.loop_parts
        for each in operands(part, OR)
        if part.name == OR and each.name != node.name
    ]
    keys = {
        f'{variable}["{text.constant}"]'
        for call in (operands(found[0], AND) if len(found) == 1 else ())
        if call.kind == "call" and call.name == EQUAL
        for name, text in (call.children, call.children[::-1])
        if name.kind == "name" and name.name == node.variable and isinstance(text.constant, str)
    }
    return frozenset({f"{variable}[]", *keys})


def _keys_of_comparison(tree: SyntaxTree, node: SyntaxNode, *, positive: bool) -> frozenset[str] | None:
    """Return the keys that a comparison implies, such as ``… == true``.

    How long a list must be is left to the author.
    """
    if node.name in (EQUAL, NOT_EQUAL):
        for one, other in (node.children, node.children[::-1]):
            if isinstance(other.constant, bool):
                return _implied_keys_if_possible(
                    tree, one, positive=(other.constant is positive) is (node.name == EQUAL)
                )
    if node.name in (*ORDERING, EQUAL, NOT_EQUAL):
        lists = (
            child.children[0] if child.kind == "call" and child.name == "size" else child
            for child in node.children
        )
        return frozenset(f"{variable}[]" for each in lists if (variable := tree.variable_name(each)))
    return frozenset()
