"""Decides which step comes next, from layout, state and conditions alone; it never calls a stage."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flows.conditions.expressions import BadCondition, Condition, ConditionFailed, is_public
from flows.documents.layout import Layout, LayoutNode
from flows.facts import NEVER_SEEDED, BrokenFlow
from flows.run import State
from flows.stage import Stage
from idp.foundation.condition_variables import EvaluationContext


def next_step(layout: Layout, state: State, context: EvaluationContext) -> LayoutNode | None:
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
        elif _is_known_before(node.stage, state):
            state.decide(node.id, "known before")
        else:
            _check_needs(node, state)
            return node
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
        and gives <= state.facts.names
    )


def _check_needs(node: LayoutNode, state: State) -> None:
    if missing := sorted(set(node.stage.needs) - state.facts.names):
        raise BrokenFlow(f"Step {node.id} was reached without {', '.join(missing)}.")


def _check_sub_flow(node: LayoutNode, layout: Layout) -> None:
    if node.definition.flow is not None and not any(node.id in each.ancestors for each in layout.nodes):
        raise BrokenFlow(f"Step {node.id} refers to the flow {node.definition.flow}, which doesn't exist.")
