"""Decides which step comes next, from layout, state and conditions alone; it never calls a stage."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from flows.conditions.expressions import BadCondition, Condition, ConditionFailed, is_public
from flows.documents.document import FlowDocument
from flows.documents.layout import FlowTooLarge, Layout, LayoutNode, lay_out
from flows.facts import NEVER_SEEDED, BrokenFlow
from flows.models import Version
from flows.registry import stages
from flows.run import State
from flows.stage import Stage
from flows.validation_messages import describe_error
from idp.foundation.condition_variables import EvaluationContext


@dataclass(frozen=True)
class Step:
    """A step of the layout with its stage, ready to be entered."""

    id: str
    stage: Stage


@lru_cache(maxsize=512)
def parse_document(raw: str) -> FlowDocument:
    """Return the document in this JSON; cached, because a version never changes."""
    return FlowDocument.model_validate_json(raw)


def document_of(version: Version) -> FlowDocument:
    """Return the parsed document of a version."""
    return parse_document(json.dumps(version.document))


def sub_flows_of(version: Version) -> dict[str, FlowDocument]:
    """Return the sub-flows by name, as they were when the version was published."""
    return {name: parse_document(json.dumps(part)) for name, part in version.parts.items()}


def layout_of(version: Version) -> Layout:
    """Return the layout of a version; raise BrokenFlow."""
    return _layout(json.dumps([version.document, version.parts]), tuple(stages()))


def next_step(layout: Layout, state: State, context: EvaluationContext) -> Step | None:
    """Return the first undecided step, None at the end; record the steps passed over or known before.

    Raise BrokenFlow when the step cannot be entered: an unknown stage, missing facts, a condition that fails.
    """
    for node in layout.nodes:
        if node.id in state.decided:
            continue
        if _is_skipped(node, state) or not _condition_applies(node, state, context):
            state.decide(node.id, "passed over")
        elif node.definition.stage is None:
            _check_sub_flow(node, layout)
            state.decide(node.id, "entered")
        elif _is_known_before(stage := _stage_of(node), state):
            state.decide(node.id, "known before")
        else:
            _check_needs(node, stage, state)
            return Step(node.id, stage)
    return None


def record_refusal(layout: Layout, state: State, step: str, elapsed_ms: int | None = None) -> bool:
    """Record that a step refused; return whether the run continues, as the step or an enclosing one allows.

    The rest of that enclosing step is then passed over.
    """
    state.decide(step, "refused", at=elapsed_ms)
    handler = layout.refusal_handler(step)
    if handler is not None and handler != step:
        state.decide(handler, "refused")
    return handler is not None


def step_of(layout: Layout, identifier: str) -> Step:
    """Return the step with this ID; raise BrokenFlow."""
    node = layout.by_id.get(identifier)
    if node is None or node.definition.stage is None:
        raise BrokenFlow(f"The flow has no step {identifier}.")
    return Step(node.id, _stage_of(node))


@lru_cache(maxsize=512)
def _layout(raw: str, kinds: tuple[str, ...]) -> Layout:
    """Return the layout of the documents in this JSON; raise BrokenFlow.

    ``kinds``: the installed stages, whose outputs conditions read; part of the cache key.
    """
    document, parts = json.loads(raw)
    try:
        return lay_out(
            FlowDocument.model_validate(document),
            {name: FlowDocument.model_validate(part) for name, part in parts.items()},
        )
    except (FlowTooLarge, ValidationError) as error:
        raise BrokenFlow(str(error)) from error


def _stage_of(node: LayoutNode) -> Stage:
    kind = stages().get(str(node.definition.stage))
    if kind is None:
        raise BrokenFlow(f"Step {node.id} is of the stage {node.definition.stage}, which is not installed.")
    # classes are hashable
    return _built(kind, json.dumps(node.definition.settings))  # type: ignore[arg-type]


@lru_cache(maxsize=2048)
def _built(kind: type[Stage], raw: str) -> Stage:
    """Return the stage with these settings, shared by all runs; it holds no other state."""
    try:
        return kind(kind.Settings.model_validate(kind.upgrade(json.loads(raw))))
    except ValidationError as error:
        raise BrokenFlow(
            f"The settings of a step of the stage {kind.kind} are no longer valid: {_first_error(error)}"
        ) from error


def _first_error(error: ValidationError) -> str:
    found: Any = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {describe_error(found, noun='setting')}"


def _is_skipped(node: LayoutNode, state: State) -> bool:
    """Return whether an enclosing section or sub-flow was passed over or refused."""
    return any(state.decided[around] in ("passed over", "refused") for around in node.ancestors)


def _condition_applies(node: LayoutNode, state: State, context: EvaluationContext) -> bool:
    try:
        condition = node.condition
        if condition is None:
            return True
        applied, values = condition.evaluate(
            replace(context, steps=node.step_values(state.outputs)) if condition.reads_steps else context
        )
    except (BadCondition, ConditionFailed) as error:
        raise BrokenFlow(f"The condition of step {node.id} failed: {error}") from error
    state.read[node.id] = {
        "when": node.definition.when,
        "applied": applied,
        "values": _public_values(condition, values),
    }
    return applied


def _public_values(condition: Condition, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a condition read as JSON, without private ones.

    Values about people and their answers must not be readable in a run.
    """
    return {name: _format_value(value, condition) for name, value in values.items() if is_public(name)}


def _format_value(value: Any, condition: Condition) -> Any:
    """Return a time as the condition sees it: to the minute, in its time zone."""
    if isinstance(value, datetime):
        zone = condition.zone
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M} {zone}"
    if isinstance(value, timedelta):
        return str(timedelta(seconds=round(value.total_seconds())))
    return value


def _is_known_before(stage: Stage, state: State) -> bool:
    """Return whether everything that the stage gives was known at the start.

    A stage that gives nothing is always entered.
    """
    gives = set(stage.gives)
    return (
        bool(gives)
        and not stage.never_skipped
        and gives <= set(state.seeds) - set(NEVER_SEEDED)
        and gives <= set(state.facts)
    )


def _check_needs(node: LayoutNode, stage: Stage, state: State) -> None:
    if missing := sorted(set(stage.needs) - set(state.facts)):
        raise BrokenFlow(f"Step {node.id} was reached without {', '.join(missing)}.")


def _check_sub_flow(node: LayoutNode, layout: Layout) -> None:
    if node.definition.flow is not None and not any(node.id in each.ancestors for each in layout.nodes):
        raise BrokenFlow(f"Step {node.id} refers to the flow {node.definition.flow}, which doesn't exist.")
