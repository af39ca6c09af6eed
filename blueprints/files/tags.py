"""The tags ``!env``, ``!file``, ``!secret`` and ``!vars``, which stand for a value and never run anything."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueprints.files.nodes import Node

MAX_FILE = 1024 * 1024
MAX_VALUES_SIZE = 32 * MAX_FILE  # the total for all tags of a file
SECRET_NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,99}\Z")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class SecretTag:
    """A ``!secret NAME``: its value is looked up when it is needed, and is never shown."""

    name: str

    def __str__(self) -> str:
        return f"!secret {self.name}"


def placeholder_names(text: str) -> list[str]:
    """Return the names of the variables that are inserted into this text."""
    return _PLACEHOLDER.findall(text)


class BadTag(Exception):
    """A tag that cannot be resolved."""


@dataclass
class TagUsage:
    """The values that the tags of a file were resolved to.

    ``hasher`` is a hash that changes with any of them. ``size`` is the size of all values together.
    """

    hasher: Any = field(default_factory=hashlib.sha256, repr=False)
    size: int = 0
    files: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)

    def add(self, value: str) -> None:
        """Count a value; raise BadTag if the total becomes too large."""
        self.size += len(value)
        if self.size > MAX_VALUES_SIZE:
            raise BadTag(f"The values of the tags in this file exceed {MAX_VALUES_SIZE // MAX_FILE} MiB.")
        try:
            self.hasher.update(f"{len(value)}:{value}".encode())
        except UnicodeEncodeError:
            raise BadTag("The value of this tag isn't UTF-8.") from None


@dataclass
class Tags:
    """What tags stand for in one file.

    ``folder`` is the only folder from which ``!file`` reads. It is None for an upload, whose author may read
    neither the files nor the environment of the server. ``variables`` are those of ``!vars``.
    """

    folder: Path | None
    variables: Mapping[str, Any] = field(default_factory=dict)
    usage: TagUsage = field(default_factory=TagUsage)

    def resolve(self, node: Node, complain: Callable[[Node, str], None]) -> Any:
        """Return the value of a node with its tags resolved.

        ``complain`` receives the node and the message of each tag that cannot be resolved.
        """
        if node.tag:
            try:
                return self._value(node)
            except BadTag as bad:
                complain(node, str(bad))
                return None
        if node.is_map:
            return {key: self.resolve(value, complain) for key, (_, value) in node.value.items()}
        if node.is_list:
            return [self.resolve(value, complain) for value in node.value]
        return node.value

    def _value(self, node: Node) -> Any:
        reader = {"env": self._env, "file": self._file, "secret": self._secret, "vars": self._vars}.get(
            node.tag
        )
        if reader is None:
            raise BadTag(f"Unknown tag !{node.tag[:50]}. There are: !env, !file, !secret, !vars.")
        if self.folder is None and node.tag in ("env", "file"):
            raise BadTag(
                f"!{node.tag} reads from the server, which isn't allowed here. Write the value, or "
                "save a secret and use !secret NAME."
            )
        arguments = [each.value for each in node.value if not each.tag] if node.is_list else [node.value]
        if (
            not 0 < len(arguments) <= 2
            or not all(isinstance(word, str) for word in arguments)
            or not arguments[0]
        ):
            raise BadTag(f"Write a name after !{node.tag}.")
        value = reader(arguments)
        self.usage.add(str(value))
        return value

    def _env(self, arguments: list[str]) -> str:
        """Resolve ``!env NAME``, ``!env NAME default`` or ``!env [NAME, default]``."""
        name, separator, default = (
            arguments[0].partition(" ") if len(arguments) == 1 else (arguments[0], " ", arguments[1])
        )
        if not SECRET_NAME.match(name):
            raise BadTag(f"{name[:50]} isn't a valid name of an environment variable.")
        if not separator and name not in os.environ:
            raise BadTag(f"The environment variable {name} isn't set and has no default.")
        return os.environ.get(name, default.strip())

    def _file(self, arguments: list[str]) -> str:
        name = arguments[0][:200]
        try:
            folder = (self.folder or Path("/nowhere")).resolve()
            path = (folder / arguments[0]).resolve()
            if not path.is_relative_to(folder):
                raise BadTag(f"{name} is outside the blueprint's folder.")
            if not path.is_file() or path.stat().st_size > MAX_FILE:
                raise BadTag(f"{name} isn't a file of at most {MAX_FILE // 1024} KiB.")
            text = path.read_text(encoding="utf-8")
            self.usage.files.add(str(path))
        except (OSError, ValueError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
            raise BadTag(f"{name} isn't UTF-8.") from None
        if "\0" in text:
            raise BadTag(f"{name} isn't text: it contains a NUL character.")
        return text

    def _secret(self, arguments: list[str]) -> SecretTag:
        if not SECRET_NAME.match(arguments[0]):
            raise BadTag("Secret names have letters, digits, dots, dashes and underscores.")
        return SecretTag(arguments[0])

    def _vars(self, arguments: list[str]) -> Any:
        """Resolve ``!vars``: a name is the variable itself, a text with ``{name}`` has it inserted."""
        names = placeholder_names(arguments[0]) or [arguments[0]]
        self.usage.variables.update(names)
        for name in names:
            if name not in self.variables:
                known = [each[:50] for each in sorted(self.variables)[:20]]
                raise BadTag(
                    f"Unknown variable {name[:50]}." + (f" There are: {', '.join(known)}." if known else "")
                )
        if arguments[0] in self.variables:
            return self.variables[arguments[0]]
        values = {name: self.variables[name] for name in names}
        if not all(isinstance(value, str | int | float) for value in values.values()):
            raise BadTag(
                "Only plain text can be inserted into text. Use secrets, lists and mappings on their own."
            )
        if sum(len(str(values[name])) for name in names) > MAX_FILE:
            raise BadTag(f"The text exceeds {MAX_FILE // 1024} KiB.")
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), arguments[0])
