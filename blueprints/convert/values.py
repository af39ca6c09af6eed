"""authentik's tags, resolved as far as they are data: references stay references, and nothing is executed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blueprints.convert.report import FoyerTag
from blueprints.files.nodes import BadYaml, Node
from idp.foundation.text import json_items

MAX_VALUES = 200_000
MAX_DEPTH = 100
MAX_TEXT = 10_000
_FORMAT_SPEC = re.compile(r"%(.)", re.DOTALL)


@dataclass(frozen=True)
class UnknownValue:
    """A value that is not known from the file, and why."""

    reason: str

    def __str__(self) -> str:
        return f"a value that is not known from the file ({self.reason})"


@dataclass(frozen=True)
class Ref:
    """A reference to another object: by the ``id`` of an entry of the same file, or by model and fields."""

    file: str
    id: str = ""
    model: str = ""
    fields: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.id or f"{self.model} {', '.join(f'{name} {value}' for name, value in self.fields)}"


class _Unresolvable(Exception):
    """The tag cannot be resolved from the file alone."""


@dataclass
class AuthentikTags:
    """Resolves the tags of one file.

    ``context`` is the context of the file. ``find_values`` returns the values of an object, for
    ``!FindObject``.
    """

    file: str
    context: Mapping[str, Node]
    find_values: Callable[[Ref], Mapping[str, Any] | None]
    _remaining: int = MAX_VALUES
    _depth: int = 0
    _resolving: list[str] = field(default_factory=list)
    _items: list[tuple[Any, Any]] = field(default_factory=list)

    def resolve(self, node: Node) -> Any:
        """Return the value of a node: plain data, Ref, FoyerTag or UnknownValue.

        Raise BadYaml if the file becomes too large with its tags resolved.
        """
        self._remaining -= 1
        if self._remaining < 0:
            raise BadYaml("The document is too large once its tags are followed.", node.line, node.column)
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                return UnknownValue("it is too deep once its tags are followed")
            return self._tagged(node) if node.tag else self._plain(node)
        finally:
            self._depth -= 1

    def _plain(self, node: Node) -> Any:
        if node.is_map:
            return {key: self.resolve(value) for key, (_, value) in node.value.items()}
        return [self.resolve(each) for each in node.value] if node.is_list else node.value

    def _tagged(self, node: Node) -> Any:
        standard = node.tag.removeprefix("tag:yaml.org,2002:").removeprefix("!")
        if standard in ("str", "map", "seq"):
            return self._plain(node)
        if standard.startswith("python/"):
            return UnknownValue(f"the tag !!{standard[:80]} has no place in a blueprint")
        read = _TAGS.get(node.tag)
        if read is None:
            return UnknownValue(f"unknown tag !{node.tag[:50]}")
        try:
            return read(self, node)
        except _Unresolvable as error:
            return UnknownValue(f"!{node.tag}: {error}")

    def _arguments(self, node: Node, least: int = 1) -> list[Any]:
        """Return the arguments of a tag."""
        if (
            node.is_map
            or (node.is_list and len(node.value) < least)
            or (not node.is_list and (least > 1 or not node.value))
        ):
            raise _Unresolvable("invalid use of the tag")
        return [self._known_value(each) for each in node.value] if node.is_list else [str(node.value)]

    def _known_value(self, node: Node) -> Any:
        return _require_known(self.resolve(node))

    def _key_of(self, node: Node) -> Ref:
        return Ref(self.file, id=str(self._arguments(node)[0]))

    def _find(self, node: Node) -> Ref:
        model, *pairs = self._arguments(node, 2)
        if not all(
            isinstance(pair, list) and len(pair) == 2 and not isinstance(pair[1], list | dict | FoyerTag)
            for pair in pairs
        ):
            raise _Unresolvable("it asks for more than names and values")
        return Ref(
            self.file, model=str(model).lower(), fields=tuple((str(name), value) for name, value in pairs)
        )

    def _find_object(self, node: Node) -> Any:
        ref = self._find(node)
        found = self.find_values(ref)
        if found is None:
            raise _Unresolvable(f"{ref} is not among the entries before it")
        return dict(found)

    def _at_index(self, node: Node) -> Any:
        container, key, *default = self._arguments(node, 2)
        if isinstance(container, dict) and str(key) in container:
            return container[str(key)]
        if (
            isinstance(container, list)
            and (number := _number(key)) is not None
            and -len(container) <= number < len(container)
        ):
            return container[number]
        if default:
            return default[0]
        raise _Unresolvable("there is no value at this path")

    def _context(self, node: Node) -> Any:
        name, *default = node.value if node.is_list and node.value else [node]
        key = str(self._known_value(name)) if node.is_list else str(node.value)
        if key in self._resolving:
            raise _Unresolvable(f"the context {key[:50]} contains itself")
        if key in self.context:
            self._resolving.append(key)
            try:
                return self.resolve(self.context[key])
            finally:
                self._resolving.pop()
        if default:
            return self.resolve(default[0])
        raise _Unresolvable(
            f"the file's context has no {key[:50]}; what an installation adds to it is not in the file"
        )

    def _env(self, node: Node) -> FoyerTag:
        name, *default = self._arguments(node)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", str(name)) or any(
            isinstance(each, list | dict | Ref | FoyerTag) for each in default
        ):
            raise _Unresolvable("this isn't an environment variable with a text default")
        return FoyerTag("env", (str(name), *("" if each is None else str(each) for each in default[:1])))

    def _file(self, node: Node) -> FoyerTag:
        name = str(self._arguments(node)[0]).replace("\\", "/").rsplit("/", 1)[-1]
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
            raise _Unresolvable("this isn't a file name")
        return FoyerTag("file", (name,))

    def _format(self, node: Node) -> str:
        text, *arguments = self._arguments(node)
        remaining = iter(arguments)

        def fill(match: re.Match[str]) -> str:
            if match[1] == "%":
                return "%"
            value = next(remaining, None)
            number = match[1] in "di" and isinstance(value, int | float)
            if (match[1] != "s" and not number) or not isinstance(value, str | int | float | bool):
                raise _Unresolvable("it formats more than plain texts and numbers")
            return str(int(value) if number else value)

        result = _FORMAT_SPEC.sub(fill, str(text))
        if len(result) > MAX_TEXT or next(remaining, None) is not None:
            raise _Unresolvable("the text is too long, or has fewer places than values")
        return result

    def _if(self, node: Node) -> Any:
        if not node.is_list:
            return bool(node.value)
        if not node.value:
            raise _Unresolvable("invalid use of the tag")
        truth = _truth_value(self._known_value(node.value[0]))
        if len(node.value) == 1:
            return truth
        if len(node.value) < 3:
            raise _Unresolvable("invalid use of the tag")
        return self.resolve(node.value[1 if truth else 2])

    def _condition(self, node: Node) -> bool:
        mode, *arguments = self._arguments(node, 2)
        truths = [_truth_value(each) for each in arguments]
        odd = sum(truths) % 2 == 1
        results = {"AND": all(truths), "OR": any(truths), "XOR": odd}
        name = str(mode).upper()
        positive = {"NAND": "AND", "NOR": "OR", "XNOR": "XOR"}.get(name)
        if positive:
            return not results[positive]
        if name not in results:
            raise _Unresolvable(f"unknown mode {name[:20]}")
        return results[name]

    def _enumerate(self, node: Node) -> Any:
        if not node.is_list or len(node.value) != 3:
            raise _Unresolvable("invalid use of the tag")
        over, shape, template = (
            self._known_value(node.value[0]),
            str(self._known_value(node.value[1])).upper(),
            node.value[2],
        )
        if not isinstance(over, list | dict) or shape not in ("SEQ", "MAP"):
            raise _Unresolvable("this is nothing to go through")
        result = []
        for item in over.items() if isinstance(over, dict) else enumerate(over):
            self._items.append(item)
            try:
                result.append(self.resolve(template))
            finally:
                self._items.pop()
        if shape == "SEQ":
            return result
        if not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in result):
            raise _Unresolvable("a mapping is made of pairs")
        return dict(result)

    def _item(self, node: Node) -> Any:
        depth = _number(self._arguments(node)[0])
        if depth is None or not 0 <= depth < len(self._items):
            raise _Unresolvable("it is outside !Enumerate")
        return self._items[-1 - depth][0 if node.tag == "Index" else 1]


def _require_known(value: Any) -> Any:
    """Return the value; raise _NotKnown if any of it is unknown."""
    if isinstance(value, UnknownValue):
        raise _Unresolvable(value.reason)
    for _, each in json_items(value):
        _require_known(each)
    return value


def _truth_value(value: Any) -> bool:
    if isinstance(value, FoyerTag | Ref):
        raise _Unresolvable("it depends on the running installation")
    return bool(value)


def _number(value: Any) -> int | None:
    return int(value) if re.fullmatch(r"-?[0-9]{1,9}", str(value)) else None


_TAGS: dict[str, Callable[[AuthentikTags, Node], Any]] = {
    "KeyOf": AuthentikTags._key_of,
    "Find": AuthentikTags._find,
    "FindObject": AuthentikTags._find_object,
    "AtIndex": AuthentikTags._at_index,
    "Context": AuthentikTags._context,
    "Env": AuthentikTags._env,
    "File": AuthentikTags._file,
    "Format": AuthentikTags._format,
    "If": AuthentikTags._if,
    "Condition": AuthentikTags._condition,
    "Enumerate": AuthentikTags._enumerate,
    "Index": AuthentikTags._item,
    "Value": AuthentikTags._item,
}
