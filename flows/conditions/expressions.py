"""Compiles and evaluates conditions in CEL.

Every name is declared with its type. Conditions are checked when they are saved, and a condition that fails
refuses the run.

Google's C++ implementation bounds the cost of an evaluation and knows the result's type; only this adapter
depends on it. An evaluation error is returned as a truthy value, so only a BOOL that *is* True applies.
"""

import json
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from cel_expr_python import cel
from django.conf import settings
from django.utils.module_loading import import_string

from flows.conditions.bounds import find_violations
from flows.conditions.syntax import SyntaxTree, parse_tree
from idp.foundation import addresses
from idp.foundation.condition_variables import DISCLOSABLE_SUBJECTS, EvaluationContext, Variable, VariableType
from idp.foundation.sealing import Sealed
from idp.foundation.text import did_you_mean, map_text, nfc

MAX_LENGTH = 2000
MAX_TEXT_LENGTH = 4096
_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
STRING_LITERAL = re.compile(
    r"""[rRbB]{0,2}("{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.DOTALL
)
_STRING_LIST = cel.Type.List(cel.Type.STRING)
_TYPES: dict[VariableType, Any] = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "bool": cel.Type.BOOL,
    "list(string)": _STRING_LIST,
    "map(string)": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    "timestamp": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
}
STEPS_PREFIX = "steps."
DECISION = "decision"  # the output that the engine records for every step
StepVariables = frozenset[tuple[str, VariableType]]


class BadCondition(Exception):
    """A condition that cannot be saved; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


class ConditionFailed(Exception):
    """A condition could not be evaluated to true or false: the run is refused."""


@dataclass(frozen=True)
class Condition:
    """A checked condition.

    ``names``: the declared variables that occur in the source, ``types``: these with their types. ``needs``:
    the facts without which the variables have no meaning. ``missing``: why some of them are not available on
    this installation.
    """

    source: str
    names: tuple[str, ...]
    needs: frozenset[str]
    missing: tuple[str, ...]
    types: tuple[tuple[str, VariableType], ...]
    program: Any
    tree: SyntaxTree

    @property
    def reads_steps(self) -> bool:
        """Whether it reads outputs of earlier steps."""
        return any(name.startswith(STEPS_PREFIX) for name in self.names)

    @property
    def zone(self) -> tzinfo:
        """The time zone in which it reads hours and days; UTC where there is none or more than one."""
        calls = (
            node
            for node in self.tree.root.iter_nodes()
            if node.kind == "call" and node.name.startswith("get") and len(node.children) == 2
        )
        found = {node.children[1].constant for node in calls}
        try:
            return ZoneInfo(str(found.pop())) if len(found) == 1 else UTC
        except (ValueError, KeyError):  # an offset, such as +01:00, has no name
            return UTC

    def evaluate(self, context: EvaluationContext) -> tuple[bool, dict[str, Any]]:
        """Return whether the condition is true, and the values that it read; raise ConditionFailed.

        Only the names that occur in the source are loaded.
        """
        try:
            values = {name: _load_value(name, context) for name in self.names}
            value = self.program.eval(data=values)
        except Exception as error:
            raise self._evaluation_error(error) from None
        if value.type() != cel.Type.BOOL:
            raise self._evaluation_error(value.value())
        return value.value() is True, values

    def _evaluation_error(self, why: object) -> ConditionFailed:
        """Return the error for a failed evaluation.

        The evaluator's message quotes values, so it is included only where no variable is private.
        """
        quoted = f": {why}" if all(is_public(name) for name in self.names) else ""
        return ConditionFailed(f"{self.source!r} could not be evaluated{quoted}")


@lru_cache(maxsize=4096)
def compile_condition(source: str, step_variables: StepVariables = frozenset()) -> Condition:
    """Return the checked condition; raise BadCondition with line, column and the nearest declared name.

    ``step_variables``: the outputs of earlier steps that it may use, without the prefix ``steps.``.
    """
    source = nfc(source)
    if len(source) > MAX_LENGTH:
        raise BadCondition(f"A condition can have at most {MAX_LENGTH} characters.")
    masked = STRING_LITERAL.sub(lambda literal: " " * len(literal[0]), source)
    found = set(_NAME.findall(masked))
    declared = condition_variables().keys() | {STEPS_PREFIX + name for name, _ in step_variables}
    names = tuple(sorted({name for each in found if (name := _declared_name(each, declared))}))
    environment = _environment(
        frozenset((name, type_) for name, type_ in step_variables if STEPS_PREFIX + name in names)
    )
    try:
        program = environment.compile(source)
    except Exception as error:
        raise _compile_error(str(error), declared) from None
    syntax_tree = parse_tree(program, environment)
    for fault in find_violations(syntax_tree):
        raise BadCondition(fault.message, *line_and_column(source, fault.offset))
    if program.return_type() != cel.Type.BOOL:
        raise BadCondition(
            f"A condition must return true or false, not {program.return_type().name().lower()}."
        )
    variables = [condition_variables()[name] for name in names if not name.startswith(STEPS_PREFIX)]
    needs = frozenset(variable.required_fact for variable in variables if variable.required_fact)
    missing = tuple(
        sentence
        for variable in variables
        if variable.unavailable_reason and (sentence := variable.unavailable_reason())
    )
    output_types = {STEPS_PREFIX + name: type_ for name, type_ in step_variables}
    types = tuple((name, output_types.get(name) or condition_variables()[name].type) for name in names)
    return Condition(source, names, needs, missing, types, program, syntax_tree)


def line_and_column(source: str, offset: int) -> tuple[int, int]:
    """Return line and column, counted from 1, of the character at ``offset``."""
    before = source[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def is_public(name: str) -> bool:
    """Return whether the value of a variable may be stored and shown.

    That is so if it describes the request or the configuration, or is the decision of a step.
    """
    if name.startswith(STEPS_PREFIX):
        return name.rpartition(".")[2] == DECISION
    word = condition_variables().get(name)
    return word is not None and word.subject in DISCLOSABLE_SUBJECTS


@lru_cache(maxsize=1)
def condition_variables() -> dict[str, Variable]:
    """Return every declared variable by name, as ``settings.CONDITION_VARIABLES`` collects them."""
    return {name: word for path in settings.CONDITION_VARIABLES for name, word in import_string(path).items()}


def is_within_networks(address: str, networks: list[str]) -> bool:
    """Return whether an address lies in one of these networks: ``request.ip.within(tenant.networks)``.

    An address that cannot be parsed lies in none.

    Raise ValueError for a text that is no address at all: the run is then refused.
    """
    ip = addresses.parse_stored(address)
    return ip is not None and any(ip in _network(network) for network in networks)


@lru_cache(maxsize=1024)
def _network(text: str) -> addresses.Network:
    """Return the parsed network, cached because a tenant's networks are the same for every step and run."""
    return addresses.parse_network(text)


@lru_cache(maxsize=256)
def _environment(local: StepVariables) -> Any:
    function = cel.FunctionDecl(
        "within",
        [
            cel.Overload(
                "ip_within_networks", cel.Type.BOOL, [cel.Type.STRING, _STRING_LIST], True, is_within_networks
            )
        ],
    )
    variables = {name: _TYPES[word.type] for name, word in condition_variables().items()}
    return cel.NewEnv(
        variables=variables | {STEPS_PREFIX + name: _TYPES[type_] for name, type_ in local},
        functions=[function],
    )


def _load_value(name: str, about: EvaluationContext) -> Any:
    """Return the value of a variable in Unicode NFC, as conditions are.

    Raise ValueError where it contains a text longer than a condition may search.
    """
    found = (
        _open_output(about.steps[name.removeprefix(STEPS_PREFIX)])
        if name.startswith(STEPS_PREFIX)
        else condition_variables()[name].load(about)
    )
    value = map_text(found, nfc)
    if any(isinstance(text, str) and len(text) > MAX_TEXT_LENGTH for text in _members(value)):
        raise ValueError(f"{name} is longer than {MAX_TEXT_LENGTH} characters")
    return value


def _members(value: Any) -> Iterable[Any]:
    """Return the values of a map, the items of a list, or any other value alone."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else [value]


def _open_output(value: Any) -> Any:
    """Return the output of a step; the run's row stores it sealed, because people typed it."""
    return json.loads(value.open()) if isinstance(value, Sealed) else value


def _declared_name(found: str, declared: Set[str]) -> str | None:
    """Return the declared name at the beginning of ``request.ip.within``; None where there is none."""
    parts = found.split(".")
    heads = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((head for head in heads if head in declared), None)


def _compile_error(message: str, declared: Set[str]) -> BadCondition:
    match = _POSITION.search(message)
    if "recursion" in message:  # in the parser or in the checker
        return BadCondition(
            "The condition is nested too deeply. Use fewer brackets or fewer operators in a row."
        )
    if not match:
        return BadCondition(message.splitlines()[0][:300])
    text = match[3].replace(" (in container '')", "").replace(" [INVALID_ARGUMENT]", "")
    unknown = re.search(r"undeclared reference to '([^']+)'", text)
    if unknown:
        text = f"Unknown name {unknown[1]}.{did_you_mean(unknown[1], declared)}"
    return BadCondition(text, int(match[1]), int(match[2]))
