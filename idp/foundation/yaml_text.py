"""A YAML writer: PyYAML's emitter with quotes around ambiguous text.

Text is ambiguous if a reader of YAML 1.1 or 1.2 could take it for another type.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MAX_LINE_WIDTH = 110  # characters; a list of scalars that fits is written on one line
_PLAIN = re.compile(r"\A[^\W\d](?:[\w ./@+()!?&'\"=<>|$%*,-]*[\w./@+()!?&'\"=<>|$%*,-])?\Z")
_DURATION = re.compile(r"\A[0-9]{1,6}[smhd]\Z")  # no reader takes it for a number
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}


@dataclass(frozen=True)
class Tagged:
    """A tagged name, written as ``!tag text``."""

    tag: str
    text: str


def write(*documents: Any) -> str:
    """Return the documents separated by ``---``, without folded lines and without aliases.

    Raises TypeError for a value that is not a text, finite number, truth value, None, list or mapping, and
    for a key that is not a text.
    """
    options: Any = {"sort_keys": False, "allow_unicode": True, "width": math.inf}
    return "---\n".join(
        _without_end_marker(yaml.dump(document, Dumper=_Dumper, **options)) for document in documents
    )


def _without_end_marker(text: str) -> str:
    return text.removesuffix("...\n")  # the emitter ends a document that is one plain scalar


class _Dumper(yaml.SafeDumper):
    """A dumper that indents lists below their key and allows a tag before plain text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def choose_scalar_style(self) -> Any:
        event = self.event
        if isinstance(event, yaml.ScalarEvent) and (event.tag or "").startswith("!") and event.style is None:
            return ""
        return super().choose_scalar_style()


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style_of(text))


def _style_of(text: str) -> str | None:
    if _is_literal(text):
        return "|"
    plain = _DURATION.match(text) or (_PLAIN.match(text) and text.lower() not in _RESERVED)
    if text.isprintable() and plain:
        return None
    quoted = text.isprintable() and '"' in text and "'" not in text and "\\" not in text
    return "'" if quoted else '"'


def _is_literal(text: str) -> bool:
    """Return whether the lines of a text can stand as they are, with nothing that an editor would strip."""
    if "\n" not in text.rstrip("\n") and not re.fullmatch(r"[^\n]+\n", text):
        return False
    lines = text.removesuffix("\n").split("\n")
    if not lines[0] or not lines[-1] or lines[0].startswith(" "):
        return False
    return all(line == line.rstrip() and line.isprintable() for line in lines)


def _represent_list(dumper: _Dumper, values: list[Any] | tuple[Any, ...]) -> yaml.Node:
    node = dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=False)
    scalars = all(isinstance(each, yaml.ScalarNode) and each.style != "|" for each in node.value)
    node.flow_style = scalars and sum(len(each.value) + 4 for each in node.value) <= MAX_LINE_WIDTH
    return node


def _represent_mapping(dumper: _Dumper, values: Mapping[str, Any]) -> yaml.Node:
    if other := next((key for key in values if not isinstance(key, str)), None):
        raise TypeError(f"A key is a text, not {type(other).__name__}.")
    return dumper.represent_mapping("tag:yaml.org,2002:map", values, flow_style=not values)


def _represent_number(dumper: _Dumper, number: float) -> yaml.Node:
    if not math.isfinite(number):
        raise TypeError("YAML as every reader knows it holds no infinite number.")
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(number))


def _represent_other(dumper: _Dumper, value: Any) -> yaml.Node:
    raise TypeError(f"YAML holds no {type(value).__name__}.")


_SCALARS = {kind: yaml.SafeDumper.yaml_representers[kind] for kind in (type(None), bool, int)}
_REPRESENTERS: Any = {
    **_SCALARS,
    str: _represent_text,
    float: _represent_number,
    list: _represent_list,
    tuple: _represent_list,
    dict: _represent_mapping,
    Tagged: lambda dumper, each: dumper.represent_scalar(f"!{each.tag}", each.text),
    None: _represent_other,
}
_OF_BASES: Any = {Mapping: _represent_mapping}
_Dumper.yaml_representers = _REPRESENTERS
_Dumper.yaml_multi_representers = _OF_BASES
