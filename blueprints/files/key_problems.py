"""Problems of a document's keys, with the position of each key in its file."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from blueprints.files.key_messages import error_message
from blueprints.files.nodes import Node
from blueprints.files.problems import Problem
from blueprints.files.tags import placeholder_names

VARS = "vars"
KeyPath = tuple[str | int, ...]


def problems_by_key(
    file: str,
    node: Node,
    model: type[BaseModel],
    errors: Sequence[Any],
    unknown: Sequence[Node],
    row: Node | None,
) -> dict[KeyPath, Problem]:
    """Return the first problem of each key: a value that may have several types fails at each of them.

    ``unknown`` are the nodes of tags that could not be resolved, which are reported already.
    """
    found: dict[KeyPath, Problem] = {}
    for error in errors:
        path = error["loc"] if error["type"] == "missing" else node.existing_prefix(error["loc"])
        if not any(node.at(path) is each for each in unknown):
            found.setdefault(
                path,
                problem(file, node, path, error_message(model, error) + variable_hint(node, path, row)),
            )
    return found


def variable_hint(node: Node, path: KeyPath, row: Node | None) -> str:
    """Return a sentence that names the variable a value came from and its line; "" if it came from none.

    ``row`` holds the variables with which the value at ``path`` was read.
    """
    on_the_way = (node.at(path[:length]) for length in range(len(path) + 1))
    tagged = next(
        (
            each
            for each in on_the_way
            if each is not None and each.tag == VARS and isinstance(each.value, str)
        ),
        None,
    )
    if tagged is None or row is None or not row.is_map:
        return ""
    name = next(
        (each for each in (tagged.value, *placeholder_names(tagged.value)) if each in row.value), None
    )
    return f" It comes from the variable {name} in line {row.value[name][0].line}." if name else ""


def problem(file: str, node: Node, path: tuple[Any, ...], message: str) -> Problem:
    return Problem(file, *node.position(path), ".".join(map(str, path)), message)
