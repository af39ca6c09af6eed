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
from flows.registry import stages
from idp.foundation.condition_variables import ABSENT, WordType
from idp.foundation.errors import Invalid

_SYMBOL = re.compile(r"[^a-z0-9]")
MAX_BOXES = 400


class TooLarge(Invalid):
    """With its sub-flows the flow has too many steps, or sub-flows are nested too deeply."""


@dataclass(frozen=True)
class Box:
    """One step, section or sub-flow as the run reaches it.

    ``id``: unique in the run, in a sub-flow prefixed by the node that refers to it.

    ``within``: the enclosing sections and sub-flows, outermost first. ``local``: the outputs of earlier steps
    of its own document (``how.choice``), with their types; ``prefix`` leads from these to the IDs of the run.
    """

    id: str
    drawn: StepDocument
    within: tuple[str, ...] = ()
    prefix: str = ""
    local: frozenset[tuple[str, WordType]] = frozenset()
    path: tuple[str | int, ...] = ()
    flow: str = ""

    @cached_property
    def condition(self) -> Condition | None:
        """Its ``when``, compiled; raises BadCondition."""
        return compile_condition(self.drawn.when, self.local) if self.drawn.when is not None else None

    def spoken(self, told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the outputs of earlier steps that its condition may read, by local name.

        An output that a step did not set is empty.
        """
        words = {name: ABSENT[type_] for name, type_ in self.local}
        for step, members in told.items():
            if step.startswith(self.prefix):
                head = symbol(step.removeprefix(self.prefix))
                words |= {name: value for key, value in members.items() if (name := f"{head}.{key}") in words}
        return words


@dataclass(frozen=True)
class Layout:
    """All nodes of a flow, in order."""

    flow: str
    boxes: tuple[Box, ...]
    by_id: dict[str, Box] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {node.id: node for node in self.boxes})

    def goes_on_after(self, identifier: str) -> str | None:
        """Return the ID of the node that catches a refusal of this one, None where it ends the run.

        That is the node itself or the innermost enclosing one whose ``on_refusal`` is ``continue``.
        """
        node = self.by_id[identifier]
        around = (identifier, *reversed(node.within))
        return next((each for each in around if self.by_id[each].drawn.on_refusal == "continue"), None)


def symbol(identifier: str) -> str:
    """Return a step's ID as conditions write it: ``second-factor`` is ``steps.second_factor``."""
    return _SYMBOL.sub("_", identifier)


def lay_out(document: FlowDocument, parts: Mapping[str, FlowDocument]) -> Layout:
    """Return the layout with the sub-flows from ``parts``; raise TooLarge.

    A missing sub-flow stays a single node that cannot be entered.
    """
    nodes: list[Box] = []
    for node in _iter_nodes(document, parts, (), "", 0):
        nodes.append(node)
        if len(nodes) > MAX_BOXES:
            raise TooLarge
    return Layout(document.flow, tuple(nodes))


def _iter_nodes(
    document: FlowDocument,
    parts: Mapping[str, FlowDocument],
    within: tuple[str, ...],
    prefix: str,
    depth: int,
) -> Iterator[Box]:
    if depth > 5:
        raise TooLarge
    earlier: set[tuple[str, WordType]] = set()

    def expand(
        steps: Iterable[StepDocument], around: tuple[str, ...], path: tuple[str | int, ...]
    ) -> Iterator[Box]:
        for at, step in enumerate(steps):
            node = Box(prefix + step.id, step, around, prefix, frozenset(earlier), (*path, at), document.flow)
            yield node
            inside = (*around, node.id)
            if step.group is not None:
                yield from expand(step.steps, inside, (*path, at, "steps"))
            elif step.flow is not None and step.flow in parts:
                yield from _iter_nodes(parts[step.flow], parts, inside, f"{node.id}.", depth + 1)
            earlier.update(_outputs(step))

    yield from expand(document.steps, within, ("steps",))


def _outputs(step: StepDocument) -> Iterator[tuple[str, WordType]]:
    """Yield the outputs of this step that later conditions may read."""
    head = symbol(step.id)
    yield f"{head}.decision", "string"
    kind = stages().get(step.stage) if step.stage else None
    if kind is None:
        return
    try:
        words = kind(kind.Settings.model_validate(kind.upgrade(step.settings))).words()
    except ValidationError:
        return  # lint reports invalid settings
    for name, type_ in words.items():
        yield f"{head}.{name}", type_
