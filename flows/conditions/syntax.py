"""Reads the syntax tree of a checked condition, and evaluates subexpressions of it.

The binding exposes the tree as protobuf only. It is read without a schema, by the field numbers of
cel/expr/syntax.proto and checked.proto.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cel_expr_python import cel
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

# the names of operators in calls
AND, OR, NOT, IF = "_&&_", "_||_", "!_", "_?_:_"
IN, EQUAL, NOT_EQUAL, INDEX = "@in", "_==_", "_!=_", "_[_]"
ORDERING = {"_<_", "_<=_", "_>_", "_>=_"}
Fields = Mapping[int, list[Any]]
_OVERLOADS, _TYPES, _EXPRESSION, _SOURCE = 2, 3, 4, 5  # field numbers of CheckedExpr


@dataclass(frozen=True)
class SyntaxNode:
    """An expression of the tree.

    ``constant`` is None where the expression is no constant; ``raw`` is the expression itself as protobuf.

    ``is_presence_test``: it is a member that ``has()`` tests. For a macro, ``name`` is its accumulator,
    ``variable`` its iteration variable, and ``loop_parts`` the expressions that are computed in each round.
    """

    id: int
    kind: str
    name: str = ""
    constant: Any = None
    children: tuple["SyntaxNode", ...] = ()
    loop_parts: tuple["SyntaxNode", ...] = ()
    variable: str = ""
    is_presence_test: bool = False
    raw: bytes = field(default=b"", repr=False)

    @property
    def is_literal(self) -> bool:
        """Whether it is a constant, or a list or a map of constants."""
        return self.kind == "constant" or (
            self.kind in ("list", "map") and all(child.is_literal for child in self.children)
        )

    def iter_nodes(self) -> Iterator["SyntaxNode"]:
        """Yield the node and all nodes below it."""
        yield self
        for child in (*self.children, *self.loop_parts):
            yield from child.iter_nodes()


class EvaluationError(Exception):
    """A subexpression could not be evaluated; the message is the evaluator's."""


@dataclass(frozen=True, eq=False)
class SyntaxTree:
    """The syntax tree of one compiled condition.

    ``overloads`` and ``variables`` (declared variables) are keyed by the ID of the node that uses them.
    """

    root: SyntaxNode
    overloads: Mapping[int, frozenset[str]]
    variables: Mapping[int, str]
    positions: Mapping[int, int]
    type_url: str
    shared: bytes
    environment: Any

    def start_offset(self, node: SyntaxNode) -> int:
        """Return the character position at which the expression begins, counted from 0.

        The tree does not record brackets around it.
        """
        known = [each for each in node.iter_nodes() if each.id in self.positions]
        return min(
            (self.positions[each.id] - len(self.variable_name(each).rpartition(".")[0]) for each in known),
            default=0,
        )

    def variable_name(self, node: SyntaxNode) -> str:
        """Return the declared variable that this expression is, "" for any other expression."""
        return self.variables.get(node.id, "") if node.kind in ("name", "member") else ""

    def variables_read(self, node: SyntaxNode) -> frozenset[str]:
        """Return the declared variables in this expression."""
        return frozenset(word for each in node.iter_nodes() if (word := self.variable_name(each)))

    @cached_property
    def constant_nodes(self) -> frozenset[int]:
        """The IDs of all constant expressions.

        They use neither a declared variable nor a variable of an enclosing macro.
        """
        found: set[int] = set()
        self._collect_constants(self.root, found)
        return frozenset(found)

    def _collect_constants(self, node: SyntaxNode, found: set[int]) -> frozenset[str]:
        """Return the names that the expression needs, and record all subexpressions that need none."""
        if word := self.variable_name(node):
            return frozenset({word})
        needs = frozenset[str]({node.name} if node.kind == "name" else ())
        needs = needs.union(*(self._collect_constants(child, found) for child in node.children))
        if node.kind == "macro":
            needs |= frozenset[str]().union(
                *(self._collect_constants(part, found) for part in node.loop_parts)
            ) - {
                node.name,
                node.variable,
            }
        if not needs:
            found.add(node.id)
        return needs

    def evaluate(self, node: SyntaxNode, values: Mapping[str, Any]) -> Any:
        """Return the value of one subexpression; raise EvaluationError."""
        return self.evaluator(node)(values)

    def evaluator(self, node: SyntaxNode) -> Callable[[Mapping[str, Any]], Any]:
        """Return a function that evaluates this subexpression; it raises EvaluationError."""
        packed = AnyMessage(type_url=self.type_url, value=self.shared + _encode_field(_EXPRESSION, node.raw))
        program = self.environment.deserialize(packed.SerializeToString())

        def evaluate(values: Mapping[str, Any]) -> Any:
            try:
                value = program.eval(data=dict(values))
            except Exception as error:  # the binding raises any exception of C++
                raise EvaluationError(str(error)) from None
            if value.type() == cel.Type.ERROR:
                raise EvaluationError(str(value.value()))
            return value.plain_value()

        return evaluate


def parse_tree(program: Any, environment: Any) -> SyntaxTree:
    """Return the syntax tree of a program that ``environment`` has compiled."""
    packed = AnyMessage()
    packed.ParseFromString(program.serialize())
    checked = _read_fields(packed.value)
    references = {
        entry[1][0]: _read_fields(entry[2][0])
        for raw in checked[_OVERLOADS]
        if 2 in (entry := _read_fields(raw)) and 1 in entry
    }
    positions = {
        entry[1][0]: (entry[2] or [0])[0]
        for raw in _read_fields(checked[_SOURCE][0])[4]
        if (entry := _read_fields(raw))
    }
    names = {at: _text(each[1]) for at, each in references.items()}
    shared = (
        _encode_field(number, raw) for number in (_OVERLOADS, _TYPES, _SOURCE) for raw in checked[number]
    )
    return SyntaxTree(
        root=_build_node(checked[_EXPRESSION][0]),
        overloads={at: frozenset(name.decode() for name in each[3]) for at, each in references.items()},
        variables={at: name for at, name in names.items() if "." in name},
        positions=positions,
        type_url=packed.type_url,
        shared=b"".join(shared),
        environment=environment,
    )


def operands(node: SyntaxNode, operator: str) -> list[SyntaxNode]:
    """Return the operands of ``a && b && c``."""
    if node.kind == "call" and node.name == operator:
        return [part for child in node.children for part in operands(child, operator)]
    return [node]


def _read_fields(raw: bytes) -> Fields:
    """Return the fields of a message by number, parsed without a schema."""
    message, found = Empty(), defaultdict[int, list[Any]](list)
    message.ParseFromString(raw)
    for each in UnknownFieldSet(message):
        found[each.field_number].append(each.data)
    return found


def _encode_field(number: int, raw: bytes) -> bytes:
    """Return an embedded message: its field number, its length as a varint, its bytes."""
    length, left = bytearray(), len(raw)
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([number << 3 | 2, *length, left]) + raw


def _build_node(raw: bytes) -> SyntaxNode:
    read = _read_fields(raw)
    number = (read[2] or [0])[0]
    for at, make in _BUILDERS.items():
        if read.get(at):
            return SyntaxNode(number, raw=raw, **make(_read_fields(read[at][0])))
    return SyntaxNode(number, "nothing", raw=raw)


def _build_nodes(raws: list[bytes]) -> tuple[SyntaxNode, ...]:
    return tuple(map(_build_node, raws))


def _text(raws: list[bytes]) -> str:
    return raws[0].decode() if raws else ""


def _constant(of: Fields) -> dict[str, Any]:
    return {"kind": "constant", "constant": _constant_value(of)}


def _constant_value(of: Fields) -> Any:
    """Return the value of a text, an integer or a boolean, True for any other constant."""
    if of[2]:
        return bool(of[2][0])
    if of[3]:
        number = of[3][0]
        return number - 2**64 if number >= 2**63 else number
    if of[6]:
        return of[6][0].decode()
    return of[4][0] if of[4] else True


def _map(of: Fields) -> dict[str, Any]:
    entries = [_read_fields(raw) for raw in of[2]]
    return {
        "kind": "map",
        "children": tuple(node for entry in entries for node in _build_nodes([*entry[3], *entry[4]])),
    }


# The members of Expr by field number. The range and initial value of a macro (a comprehension) are computed
# once, the rest in each round.
_BUILDERS: dict[int, Callable[[Fields], dict[str, Any]]] = {
    3: _constant,
    4: lambda of: {"kind": "name", "name": _text(of[1])},
    5: lambda of: {
        "kind": "member",
        "name": _text(of[2]),
        "children": _build_nodes(of[1]),
        "is_presence_test": bool(of[3]),
    },
    6: lambda of: {"kind": "call", "name": _text(of[2]), "children": _build_nodes([*of[1], *of[3]])},
    7: lambda of: {"kind": "list", "children": _build_nodes(of[1])},
    8: _map,
    9: lambda of: {
        "kind": "macro",
        "name": _text(of[3]),
        "children": _build_nodes([*of[2], *of[4]]),
        "loop_parts": _build_nodes([*of[5], *of[6], *of[7]]),
        "variable": _text(of[1]),
    },
}
