"""The dry run: walks a flow with given answers and says what each step would do; nothing is written, nothing is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from flows import facts as knowledge
from flows.document import FlowDocument
from flows.facts import BrokenFlow
from flows.planner import Step, next_step
from flows.run import Run, State
from flows.stage import Deny, Done, Leave, Outcome, Show
from idp.words import About


@dataclass(frozen=True)
class Setting:
    """The circumstances of a dry run: where it comes from and what is known before."""

    address: str = "127.0.0.1"
    agent: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What one step would do. ``decision``: asks, done, passed over, known before, denied, leaves, ends or broken."""

    step: str
    decision: str
    learned: tuple[str, ...] = ()
    effects: tuple[Mapping[str, Any], ...] = ()
    message: str = ""


def simulate(document: FlowDocument, answers: Mapping[str, Mapping[str, Any]], setting: Setting | None = None) -> list[Report]:
    """Walks ``document`` from its first step. A step without an answer among ``answers`` (by step id) ends the walk by asking."""
    setting = setting or Setting()
    state = State(facts=dict(setting.facts), seeds=sorted(setting.facts))
    reports: list[Report] = []
    try:
        while step := next_step(document, state, About(state.facts, setting.address, setting.agent)):
            reports += _undecided(state, reports)
            report = _try(document, step, state, setting, answers.get(step.id))
            reports.append(report)
            if report.decision != "done":
                return reports
    except BrokenFlow as broken:
        return [*reports, Report("", "broken", message=str(broken))]
    return [*reports, *_undecided(state, reports)]


def _undecided(state: State, reports: list[Report]) -> list[Report]:
    """Those that the planner decided by itself since the last report."""
    told = {report.step for report in reports}
    return [Report(step, decision) for step, decision in state.decided.items() if step not in told]


def _try(document: FlowDocument, step: Step, state: State, setting: Setting, given: Mapping[str, Any] | None) -> Report:
    run = _run(document, state, setting)
    outcome = step.stage.enter(run)
    if isinstance(outcome, Show) and not outcome.last and given is not None:
        state.kept = dict(outcome.keep)
        run = _run(document, state, setting)
        form = step.stage.form(run, given)
        if not form.is_valid():
            return Report(step.id, "asks", message="; ".join(str(text) for texts in form.errors.values() for text in texts))
        outcome = step.stage.submit(run, form.cleaned_data)
    return _report(step, state, outcome)


def _report(step: Step, state: State, outcome: Outcome) -> Report:
    effects = tuple(effect.described() for effect in outcome.effects)
    match outcome:
        case Done(facts=learned):
            foreseen = {name: fact for effect in outcome.effects for name, fact in effect.learned(None).items()}
            news = {**learned, **foreseen}
            knowledge.learn(state.facts, news, step.stage.gives)
            state.decide(step.id, "done")
            return Report(step.id, "done", tuple(sorted(news)), effects)
        case Deny(message=message):
            return Report(step.id, "denied", effects=effects, message=str(message))
        case Leave(url=url):
            return Report(step.id, "leaves", effects=effects, message=url)
    errors = "; ".join(str(text) for text in outcome.errors.values()) or str(outcome.message)
    return Report(step.id, "ends" if outcome.last else "asks", effects=effects, message=errors)


def _run(document: FlowDocument, state: State, setting: Setting) -> Run:
    session = (state.facts.get("signed_in") or {}).get("session")
    return Run("", document.flow, state.facts, state.kept, {}, "", session, setting.address, setting.agent, timezone.now())
