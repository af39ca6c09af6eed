"""Finds what is wrong with a flow before anyone walks it; the builder, the blueprint and the publisher show the same list."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from flows.conditions import BadCondition, Condition, compile_condition
from flows.document import FlowDocument, StepDocument
from flows.models import Designation
from flows.registry import stages
from flows.stage import Stage

_CLAIM = "person"
_GOAL = {Designation.DEVICE_CODE: "consent", Designation.AUTHENTICATION: "signed_in"}


@dataclass(frozen=True)
class Finding:
    """What is wrong where: ``path`` leads to the key in the document; an error keeps the flow from being published."""

    path: tuple[str | int, ...]
    message: str
    level: Literal["error", "warning"] = "error"


def lint(document: FlowDocument) -> list[Finding]:
    """Every finding at once, in the order of the steps."""
    return [*_identifiers(document), *_order(document), *_goal(document)]


def _identifiers(document: FlowDocument) -> Iterator[Finding]:
    seen: set[str] = set()
    for at, step in enumerate(document.steps):
        if step.id in seen:
            yield Finding(("steps", at, "id"), f"Two steps are called {step.id}.")
        seen.add(step.id)


def _order(document: FlowDocument) -> Iterator[Finding]:
    known, certain = set[str](), set[str]()
    for at, step in enumerate(document.steps):
        yield from _step(at, step, known, certain)
        stage = stages().get(step.stage)
        if stage:
            known |= stage.gives
            certain |= stage.gives if step.when is None else set()


def _step(at: int, step: StepDocument, known: set[str], certain: set[str]) -> Iterator[Finding]:
    stage = stages().get(step.stage)
    if stage is None:
        near = difflib.get_close_matches(step.stage, stages(), n=1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(stages())}."
        yield Finding(("steps", at, "stage"), f"There is no stage {step.stage}.{hint}")
        return
    yield from _settings(at, step, stage)
    yield from _condition(at, step, known)
    for fact in sorted(set(stage.needs) - known):
        yield Finding(("steps", at, "stage"), f"{step.stage} needs {fact}, which no earlier step gives.{_givers(fact)}")
    for fact in sorted(set(stage.needs) & known - certain):
        if step.when is None:
            message = f"{step.stage} needs {fact}, which is only given when an earlier condition applies."
            yield Finding(("steps", at, "stage"), message, "warning")


def _settings(at: int, step: StepDocument, stage: type[Stage]) -> Iterator[Finding]:
    try:
        stage.Settings.model_validate(stage.upgrade(step.settings))
    except ValidationError as errors:
        for error in errors.errors():
            near = difflib.get_close_matches(str(error["loc"][-1]), stage.Settings.model_fields, n=1) if error["loc"] else []
            unknown = error["type"] == "extra_forbidden"
            text = "There is no such setting." + (f" Did you mean {near[0]}?" if near else "") if unknown else error["msg"]
            yield Finding(("steps", at, "settings", *error["loc"]), text)


def _condition(at: int, step: StepDocument, known: set[str]) -> Iterator[Finding]:
    if step.when is None:
        return
    try:
        condition = compile_condition(step.when)
    except BadCondition as bad:
        yield Finding(("steps", at, "when"), f"line {bad.line}, column {bad.column}: {bad.message}")
        return
    for fact in sorted(condition.needs - known):
        yield Finding(("steps", at, "when"), f"The condition reads {_reading(condition)}, but {fact} is only known later.{_givers(fact)}")
    if _CLAIM in condition.needs and "proof" not in known:
        message = "The condition reads about the person before anything proved who it is: it tells which names exist."
        yield Finding(("steps", at, "when"), message, "warning")


def _goal(document: FlowDocument) -> Iterator[Finding]:
    given = {fact for step in document.steps if (stage := stages().get(step.stage)) for fact in stage.gives}
    goal = _GOAL[document.designation]
    if goal not in given and not any(step.stage == "deny" for step in document.steps):
        yield Finding(("for",), f"A flow for {document.designation} must give {goal}.{_givers(goal)}")


def _reading(condition: Condition) -> str:
    return ", ".join(condition.names)


def _givers(fact: str) -> str:
    kinds = [kind for kind, stage in stages().items() if fact in stage.gives]
    return f" It is given by: {', '.join(kinds)}." if kinds else ""
