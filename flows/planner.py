"""Decides which step comes next, from the document and the state alone; asks conditions, never a stage."""

import json
from dataclasses import dataclass
from functools import lru_cache

from flows.conditions import BadCondition, ConditionFailed, compile_condition
from flows.document import FlowDocument, StepDocument
from flows.facts import NEVER_SEEDED, BrokenFlow
from flows.models import Version
from flows.registry import stages
from flows.run import State
from flows.stage import Stage
from idp.words import About


@dataclass(frozen=True)
class Step:
    """One box, ready to be asked."""

    id: str
    stage: Stage


@lru_cache(maxsize=512)
def parse_document(raw: str) -> FlowDocument:
    """The document of a version, from its canonical JSON: parsed once, because a version never changes."""
    return FlowDocument.model_validate_json(raw)


def document_of(version: Version) -> FlowDocument:
    """The parsed document of a version."""
    return parse_document(json.dumps(version.document, sort_keys=True))


def next_step(document: FlowDocument, state: State, about: About) -> Step | None:
    """The first step that is not yet decided, after noting those that are passed over or known before; None at the end.

    Raises BrokenFlow when the step cannot be asked: an unknown stage, missing facts, a condition that fails.
    """
    for drawn in document.steps:
        if drawn.id in state.decided:
            continue
        stage = _stage(drawn)
        if not _applies(drawn, state, about):
            state.decide(drawn.id, "passed over")
        elif _known_before(stage, state):
            state.decide(drawn.id, "known before")
        else:
            _check_needs(drawn, stage, state)
            return Step(drawn.id, stage)
    return None


def step_of(document: FlowDocument, identifier: str) -> Step:
    """The step with this id; raises BrokenFlow."""
    drawn = document.step(identifier)
    if drawn is None:
        raise BrokenFlow(f"The flow has no step {identifier}.")
    return Step(drawn.id, _stage(drawn))


def _stage(drawn: StepDocument) -> Stage:
    kind = stages().get(drawn.stage)
    if kind is None:
        raise BrokenFlow(f"Step {drawn.id} is of the stage {drawn.stage}, which is not installed.")
    return kind(kind.Settings.model_validate(kind.upgrade(drawn.settings)))


def _applies(drawn: StepDocument, state: State, about: About) -> bool:
    if drawn.when is None:
        return True
    try:
        condition = compile_condition(drawn.when)
        state.read[drawn.id] = {"when": drawn.when, "applied": (applied := condition.applies(about))}
    except (BadCondition, ConditionFailed) as error:
        raise BrokenFlow(f"The condition of step {drawn.id} failed: {error}") from error
    return applied


def _known_before(stage: Stage, state: State) -> bool:
    """Only what gives something, and only when all of it was known at the start: what gives nothing is always asked."""
    return bool(stage.gives) and set(stage.gives) <= set(state.seeds) - set(NEVER_SEEDED) and set(stage.gives) <= set(state.facts)


def _check_needs(drawn: StepDocument, stage: Stage, state: State) -> None:
    if missing := sorted(set(stage.needs) - set(state.facts)):
        raise BrokenFlow(f"Step {drawn.id} was reached without {', '.join(missing)}.")
