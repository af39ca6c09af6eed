"""Reads blueprint files: YAML 1.2 to checked documents, with file, line and key of everything that is wrong, all at once."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from blueprints.document import KINDS, TenantDocument
from idp.tenancy.models import DEFAULT

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20
MAX_NODES = 50_000
MAX_BRACKETS = 200  # open at once, in quoted text too: what the parser is given at all, for it is quadratic in them


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.key + ': ' if self.key else ''}{self.message}"


class BadBlueprint(Exception):
    """Nothing was applied; ``problems`` names everything that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Located:
    """A checked document of one tenant, and where its keys stand."""

    file: str
    tenant: str
    kind: str
    document: Any
    node: CommentedMap

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(getattr(self.document, self.kind))

    def problem(self, path: Iterable[str | int], message: str) -> Problem:
        """A problem at this key of the document."""
        return _problem(self.file, self.node, tuple(path), message)


def read(files: Iterable[Path]) -> list[Located]:
    """Every document of every file; raises BadBlueprint with all problems."""
    found: list[Located] = []
    problems: list[Problem] = []
    for file in files:
        try:
            nodes = _parse(file)
        except BadBlueprint as bad:
            problems += bad.problems
            continue
        tenant = DEFAULT
        for node in nodes:
            located = _check(str(file), tenant, node, problems)
            if located:
                tenant = located.name if located.kind == "tenant" else tenant
                found.append(located)
    problems += _twice(found)
    if problems:
        raise BadBlueprint(problems)
    return found


def _parse(file: Path) -> list[Any]:
    name = str(file)
    try:
        text = file.read_bytes()
        if len(text) > MAX_BYTES:
            raise BadBlueprint([Problem(name, 1, 1, "", f"The file is larger than {MAX_BYTES // 1024} KiB.")])
        if max(accumulate((letter in b"[{") - (letter in b"]}") for letter in text), default=0) > MAX_BRACKETS:
            raise BadBlueprint([Problem(name, 1, 1, "", "The document is too deep or too large.")])
        nodes = [node for node in YAML(typ="rt", pure=True).load_all(text.decode("utf-8")) if node is not None]
        for node in nodes:
            _measure(name, node)
    except OSError as error:
        raise BadBlueprint([Problem(name, 1, 1, "", error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise BadBlueprint([Problem(name, 1, 1, "", "The file is not UTF-8.")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise BadBlueprint([Problem(name, line, column, "", str(error.problem or error.context).splitlines()[0])]) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise BadBlueprint([Problem(name, 1, 1, "", f"This is not valid YAML: {str(error).splitlines()[0]}")]) from None
    return nodes


def _measure(file: str, node: Any) -> None:
    """Refuses what is too deep or, once its aliases are followed, too large; and every tag, for none has a meaning here."""
    waiting, seen = [(node, 1)], 0
    while waiting:
        each, depth = waiting.pop()
        seen += 1
        line, column = _position(each)
        if depth > MAX_DEPTH or seen > MAX_NODES:
            raise BadBlueprint([Problem(file, line, column, "", "The document is too deep or too large.")])
        if isinstance(each, TaggedScalar) or getattr(getattr(each, "tag", None), "value", None):
            raise BadBlueprint([Problem(file, line, column, "", "Tags have no meaning here.")])
        children = each.values() if isinstance(each, CommentedMap) else each if isinstance(each, CommentedSeq) else ()
        waiting += [(child, depth + 1) for child in children]


def _check(file: str, tenant: str, node: Any, problems: list[Problem]) -> Located | None:
    if not isinstance(node, CommentedMap):
        problems.append(Problem(file, *_position(node), "", f"A document begins with its kind: {', '.join(KINDS)}."))
        return None
    kinds = [key for key in node if key in KINDS]
    if not kinds:
        near = difflib.get_close_matches(str(next(iter(node), "")), KINDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(KINDS)}."
        problems.append(Problem(file, *_position(node), str(next(iter(node), "")), f"This is no kind of document. {hint}"))
        return None
    kind = kinds[0]
    try:
        document = KINDS[kind].model_validate(_plain(node))
    except ValidationError as errors:
        problems += [_problem(file, node, error["loc"], _said(KINDS[kind], error)) for error in errors.errors()]
        return None
    owner = document.tenant if isinstance(document, TenantDocument) else tenant
    return Located(file, owner, kind, document, node)


def _said(model: type[BaseModel], error: Any) -> str:
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _names(model), n=1)
        return "There is no such key." + (f" Did you mean {near[0]}?" if near else "")
    if error["type"] == "missing":
        return "This key is missing."
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[0].upper() + message[1:] + "."


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _twice(found: list[Located]) -> list[Problem]:
    seen: dict[tuple[str, str, str], Located] = {}
    problems = []
    for each in found:
        if each.document.model_fields_set == {"tenant"}:
            continue  # only says to whom the rest of its file belongs
        first = seen.setdefault((each.tenant, each.kind, each.name), each)
        if first is not each:
            problems.append(each.problem([each.kind], f"{each.kind} {each.name} stands in {first.file} already."))
    return problems


def _problem(file: str, node: Any, path: tuple[Any, ...], message: str) -> Problem:
    return Problem(file, *_locate(node, path), ".".join(map(str, path)), message)


def _locate(node: Any, path: tuple[Any, ...]) -> tuple[int, int]:
    """Where the last key of ``path`` that exists stands."""
    line, column = _position(node)
    for key in path:
        try:
            mark = node.lc.key(key) if isinstance(node, CommentedMap) else node.lc.item(key)
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
        line, column = mark[0] + 1, mark[1] + 1
    return line, column


def _position(node: Any) -> tuple[int, int]:
    lc = getattr(node, "lc", None)
    return (lc.line + 1, lc.col + 1) if lc is not None and lc.line is not None else (1, 1)


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (str, int, float):
        if isinstance(node, kind):
            return kind(node)
    return str(node)
