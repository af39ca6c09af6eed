"""Lays a flow out in the order in which it runs: groups and sub-flows opened, each box with the boxes around
it.
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
    """One box as the run meets it.

    ``id``: unique in the run, in a sub-flow headed by the box that refers to it.

    ``within``: the groups and sub-flows around it, outermost first. ``local``: the words about earlier steps
    of its own document (``how.choice``), with their types; ``prefix`` leads from these to the ids of the run.
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
        """What its condition may read of earlier steps, by local name; what a step did not tell is empty."""
        words = {name: ABSENT[type_] for name, type_ in self.local}
        for step, members in told.items():
            if step.startswith(self.prefix):
                head = symbol(step.removeprefix(self.prefix))
                words |= {name: value for key, value in members.items() if (name := f"{head}.{key}") in words}
        return words


@dataclass(frozen=True)
class Layout:
    """All boxes of a flow, in order."""

    flow: str
    boxes: tuple[Box, ...]
    by_id: dict[str, Box] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {box.id: box for box in self.boxes})

    def goes_on_after(self, identifier: str) -> str | None:
        """Where a refusal of this box is caught: by itself or the innermost box around it that says continue;
        None: it ends the run.
        """
        box = self.by_id[identifier]
        around = (identifier, *reversed(box.within))
        return next((each for each in around if self.by_id[each].drawn.on_refusal == "continue"), None)


def symbol(identifier: str) -> str:
    """A step's id as conditions write it: ``second-factor`` is ``steps.second_factor``."""
    return _SYMBOL.sub("_", identifier)


def lay_out(document: FlowDocument, parts: Mapping[str, FlowDocument]) -> Layout:
    """The layout with its sub-flows from ``parts``; one that is missing stays a box that cannot be asked.

    Raises TooLarge.
    """
    boxes: list[Box] = []
    for box in _boxes(document, parts, (), "", 0):
        boxes.append(box)
        if len(boxes) > MAX_BOXES:
            raise TooLarge
    return Layout(document.flow, tuple(boxes))


def _boxes(
    document: FlowDocument,
    parts: Mapping[str, FlowDocument],
    within: tuple[str, ...],
    prefix: str,
    depth: int,
) -> Iterator[Box]:
    if depth > 5:
        raise TooLarge
    earlier: set[tuple[str, WordType]] = set()

    def walk(
        steps: Iterable[StepDocument], around: tuple[str, ...], path: tuple[str | int, ...]
    ) -> Iterator[Box]:
        for at, step in enumerate(steps):
            box = Box(prefix + step.id, step, around, prefix, frozenset(earlier), (*path, at), document.flow)
            yield box
            inside = (*around, box.id)
            if step.group is not None:
                yield from walk(step.steps, inside, (*path, at, "steps"))
            elif step.flow is not None and step.flow in parts:
                yield from _boxes(parts[step.flow], parts, inside, f"{box.id}.", depth + 1)
            earlier.update(_told(step))

    yield from walk(document.steps, within, ("steps",))


def _told(step: StepDocument) -> Iterator[tuple[str, WordType]]:
    """The words that conditions after this step may use."""
    head = symbol(step.id)
    yield f"{head}.decision", "string"
    kind = stages().get(step.stage) if step.stage else None
    if kind is None:
        return
    try:
        words = kind(kind.Settings.model_validate(kind.upgrade(step.settings))).words()
    except ValidationError:
        return  # lint says what is wrong with the settings
    for name, type_ in words.items():
        yield f"{head}.{name}", type_
