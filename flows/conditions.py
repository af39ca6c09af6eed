"""Conditions in CEL: every name declared with its type, checked when saved, refused when they fail.

Google's C++ implementation bounds the cost of an evaluation and knows the result's type; this adapter is the only module
that knows it. An evaluation error comes back as a value that is truthy, so nothing but a BOOL that *is* True applies.
"""

import difflib
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from django.conf import settings
from django.utils.module_loading import import_string

from idp.words import About, Word

MAX_LENGTH = 2000
_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_LITERAL = re.compile(r"""[rRbB]{0,2}("{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.DOTALL)
_TYPES = {"string": cel.Type.STRING, "int": cel.Type.INT, "bool": cel.Type.BOOL, "list(string)": cel.Type.List(cel.Type.STRING)}


class BadCondition(Exception):
    """A condition that cannot be saved; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


class ConditionFailed(Exception):
    """A condition could not be evaluated to true or false: the run is refused."""


@dataclass(frozen=True)
class Condition:
    """A checked condition: its source, the declared names that occur in it, the facts without which these mean nothing."""

    source: str
    names: tuple[str, ...]
    needs: frozenset[str]
    program: Any

    def applies(self, about: About) -> bool:
        """True or false for this run; raises ConditionFailed. Only the names that occur are looked up."""
        words = vocabulary()
        try:
            value = self.program.eval(data={name: words[name].load(about) for name in self.names})
        except Exception as error:
            raise ConditionFailed(f"{self.source!r}: {error}") from error
        if value.type() != cel.Type.BOOL:
            raise ConditionFailed(f"{self.source!r}: {value.value()}")
        return value.value() is True


@lru_cache(maxsize=4096)
def compile_condition(source: str) -> Condition:
    """Checks a condition; raises BadCondition with line, column and the nearest declared name."""
    if len(source) > MAX_LENGTH:
        raise BadCondition(f"A condition has {MAX_LENGTH} characters at most.")
    try:
        program = _environment().compile(source)
    except Exception as error:
        raise _explained(str(error)) from None
    if program.return_type() != cel.Type.BOOL:
        raise BadCondition(f"A condition must be true or false, not {program.return_type().name().lower()}.")
    words = vocabulary()
    bare = _LITERAL.sub(lambda literal: " " * len(literal[0]), source)
    names = tuple(sorted({name for found in _NAME.findall(bare) if (name := _declared(found))}))
    return Condition(source, names, frozenset(need for name in names if (need := words[name].needs)), program)


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, Word]:
    """Every declared name, as ``settings.CONDITION_WORDS`` collects them."""
    return {name: word for path in settings.CONDITION_WORDS for name, word in import_string(path).items()}


def within(address: str, networks: list[str]) -> bool:
    """``request.ip.within(tenant.networks)``: whether an address lies in one of these networks."""
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)


@lru_cache(maxsize=1)
def _environment() -> Any:
    texts = cel.Type.List(cel.Type.STRING)
    function = cel.FunctionDecl("within", [cel.Overload("ip_within_networks", cel.Type.BOOL, [cel.Type.STRING, texts], True, within)])
    return cel.NewEnv(variables={name: _TYPES[word.type] for name, word in vocabulary().items()}, functions=[function])


def _declared(found: str) -> str | None:
    """The declared name at the head of ``request.ip.within``."""
    parts = found.split(".")
    heads = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((head for head in heads if head in vocabulary()), None)


def _explained(message: str) -> BadCondition:
    match = _POSITION.search(message)
    if not match:
        return BadCondition(message.splitlines()[0][:300])
    text = match[3].replace(" (in container '')", "").replace(" [INVALID_ARGUMENT]", "")
    unknown = re.search(r"undeclared reference to '([^']+)'", text)
    if unknown:
        near = difflib.get_close_matches(unknown[1], vocabulary(), n=1)
        text = f"There is no {unknown[1]}." + (f" Did you mean {near[0]}?" if near else "")
    return BadCondition(text, int(match[1]), int(match[2]))
