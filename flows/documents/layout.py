"""Lays a flow out in the order in which it runs, with its sections and sub-flows expanded.

Each node knows the nodes around it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from flows.conditions.expressions import Condition, compile_condition
from flows.documents.document import FlowDocument, StepDocument
from flows.facts import BrokenFlow
from flows.registry import stages
from flows.stage import Stage
from flows.validation_messages import describe_error
from idp.foundation.condition_variables import EMPTY_VALUES, VariableType
from idp.foundation.errors import Invalid

_SYMBOL = re.compile(r"[^a-z0-9]")
MAX_NODES = 400


class FlowTooLarge(Invalid):
    """With its sub-flows the flow has too many steps, or sub-flows are nested too deeply."""


@dataclass(frozen=True)
class LayoutNode:
    """One step, section or sub-flow as the run reaches it.

    ``id``: unique in the run, in a sub-flow prefixed by the node that refers to it.

    ``ancestors``: the enclosing sections and sub-flows, outermost first. ``step_variables``: the outputs of
    earlier steps of its own document (``how.choice``), with their types; ``prefix`` leads from these to the
    IDs of the run.
    """

    id: str
    definition: StepDocument
    ancestors: tuple[str, ...] = ()
    prefix: str = ""
    step_variables: frozenset[tuple[str, VariableType]] = frozenset()
    path: tuple[str | int, ...] = ()
    flow: str = ""

    @cached_property
    def stage(self) -> Stage:
        """Its stage with its settings, shared by all runs, so it holds no other state; raises BrokenFlow."""
        kind = stages().get(str(self.definition.stage))
        if kind is None:
            raise BrokenFlow(
                f"Step {self.id} is of the stage {self.definition.stage}, which is not installed."
            )
        try:
            return kind(kind.Settings.model_validate(kind.upgrade(self.definition.settings)))
        except ValidationError as error:
            raise BrokenFlow(
                f"The settings of a step of the stage {kind.kind} are no longer valid: {_first_error(error)}"
            ) from error

    @cached_property
    def condition(self) -> Condition | None:
        """Its ``when``, compiled; raises BadCondition."""
        return (
            compile_condition(self.definition.when, self.step_variables)
            if self.definition.when is not None
            else None
        )

    def step_values(self, outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the outputs of earlier steps that its condition may read, by local name.

        An output that a step did not set is empty.
        """
        words = {name: EMPTY_VALUES[type_] for name, type_ in self.step_variables}
        for step, members in outputs.items():
            if step.startswith(self.prefix):
                head = condition_name(step.removeprefix(self.prefix))
                words |= {name: value for key, value in members.items() if (name := f"{head}.{key}") in words}
        return words


@dataclass(frozen=True)
class Layout:
    """All nodes of a flow, in order."""

    flow: str
    nodes: tuple[LayoutNode, ...]
    by_id: dict[str, LayoutNode] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {node.id: node for node in self.nodes})

    def step(self, identifier: str) -> LayoutNode:
        """Return the step with this ID; raise BrokenFlow."""
        node = self.by_id.get(identifier)
        if node is None or node.definition.stage is None:
            raise BrokenFlow(f"The flow has no step {identifier}.")
        return node

    def refusal_handler(self, identifier: str) -> str | None:
        """Return the ID of the node that catches a refusal of this one, None where it ends the run.

        That is the node itself or the innermost enclosing one whose ``on_refusal`` is ``continue``.
        """
        node = self.by_id[identifier]
        around = (identifier, *reversed(node.ancestors))
        return next((each for each in around if self.by_id[each].definition.on_refusal == "continue"), None)


def condition_name(identifier: str) -> str:
    """Return a step's ID as conditions write it: ``second-factor`` is ``steps.second_factor``."""
    return _SYMBOL.sub("_", identifier)


def lay_out(document: FlowDocument, sub_flows: Mapping[str, FlowDocument]) -> Layout:
    """Return the layout with the sub-flows from ``sub_flows``; raise FlowTooLarge.

    A missing sub-flow stays a single node that cannot be entered.
    """
    nodes: list[LayoutNode] = []
    for node in _iter_nodes(document, sub_flows, (), "", 0):
        nodes.append(node)
        if len(nodes) > MAX_NODES:
            raise FlowTooLarge
    return Layout(document.flow, tuple(nodes))


def _iter_nodes(
    document: FlowDocument,
    parts: Mapping[str, FlowDocument],
    within: tuple[str, ...],
    prefix: str,
    depth: int,
) -> Iterator[LayoutNode]:
    if depth > 5:
        raise FlowTooLarge
    earlier: set[tuple[str, VariableType]] = set()

    def expand(
        steps: Iterable[StepDocument], around: tuple[str, ...], path: tuple[str | int, ...]
    ) -> Iterator[LayoutNode]:
        for at, step in enumerate(steps):
            node = LayoutNode(
                prefix + step.id, step, around, prefix, frozenset(earlier), (*path, at), document.flow
            )
            yield node
            inside = (*around, node.id)
            if step.group is not None:
                yield from expand(step.steps, inside, (*path, at, "steps"))
            elif step.flow is not None and step.flow in parts:
                yield from _iter_nodes(parts[step.flow], parts, inside, f"{node.id}.", depth + 1)
            earlier.update(_outputs(step))

    yield from expand(document.steps, within, ("steps",))


def _outputs(step: StepDocument) -> Iterator[tuple[str, VariableType]]:
    """Yield the outputs of this step that later conditions may read."""
    head = condition_name(step.id)
    yield f"{head}.decision", "string"
    kind = stages().get(step.stage) if step.stage else None
    if kind is None:
        return
    try:
        words = kind(kind.Settings.model_validate(kind.upgrade(step.settings))).outputs()
    except ValidationError:
        return  # lint reports invalid settings
    for name, type_ in words.items():
        yield f"{head}.{name}", type_


def _first_error(error: ValidationError) -> str:
    found: Any = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {describe_error(found, noun='setting')}"
