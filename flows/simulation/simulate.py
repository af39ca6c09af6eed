"""The dry run: runs a flow with given answers and reports what each step would do and why.

Nothing is written or sent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from flows import facts as flow_facts
from flows.documents.document import Answers, Circumstances, FlowDocument, SimulatedUser
from flows.documents.layout import FlowTooLarge, Layout, LayoutNode, lay_out
from flows.engine.planner import next_step, record_refusal
from flows.facts import BrokenFlow, ClaimedPerson, Facts
from flows.run import Run, State
from flows.stage import Deny, Done, Leave, Outcome, Show, Stage
from idp.accounts import people
from idp.accounts.simulated import PK, SimulatedPerson, simulate_person
from idp.foundation.condition_variables import EvaluationContext
from idp.foundation.errors import Conflict
from idp.foundation.text import fold

_NOT_VERIFIED = _(
    "Tests don't check this answer, so that passwords and codes can't be guessed. Use passes or refuses."
)

_NO_PEOPLE = _(
    "Your role can't view people, so no person can be named here. Use a test user, and passes or refuses."
)


class PersonNotFound(Conflict):
    """The tenant has no person of this name."""


@dataclass(frozen=True)
class StepReport:
    """What one step would do.

    ``decision``: asks, done, passed over, known before, entered, refused, denied, leaves, ends or broken.
    ``condition``: its source, whether it applied, what it read of request and configuration. ``shows``:
    title, description and fields of its page. ``assumed``: it would have asked, and was assumed to pass.
    """

    step: str
    decision: str
    stage: str = ""
    condition: Mapping[str, Any] | None = None
    shows: Mapping[str, Any] | None = None
    learned: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Mapping[str, Any], ...] = ()
    message: str = ""
    assumed: bool = False


def simulate(
    document: FlowDocument,
    answers: Answers | None = None,
    *,
    sub_flows: Mapping[str, FlowDocument] | None = None,
    person: str | SimulatedUser | None = None,
    request: Circumstances | None = None,
    verify_answers: bool = True,
    may_view_people: bool = True,
    pause_at: Collection[str] | None = None,
) -> list[StepReport]:
    """Run ``document`` from its first step without writing, and return a report for each step.

    ``answers``: by step ID; the dry run ends at a step that asks and has no answer.

    ``sub_flows``: the sub-flows. ``person``: the person of an existing session, or a simulated one; raise
    PersonNotFound. ``verify_answers``: False where the user must not be able to guess. An answer that would
    prove a person, or on which attempts are counted, is then not checked, because a dry run counts none.
    ``may_view_people``: False where the user may not view people, whose groups and attributes conditions
    reveal; no person of the tenant can be named then. ``pause_at``: if given, a step without an answer passes
    instead of asking, except for these.
    """
    circumstances = request or Circumstances()
    if person and isinstance(person, str) and not may_view_people:
        raise PersonNotFound(str(_NO_PEOPLE))
    simulated = _to_simulated(person) if isinstance(person, SimulatedUser) else None
    with simulate_person(simulated):
        try:
            layout = lay_out(document, sub_flows or {})
        except FlowTooLarge as error:
            return [StepReport("", "broken", message=str(error))]
        return _DryRun(
            document,
            layout,
            circumstances,
            _claimed(person),
            judges=verify_answers,
            names=may_view_people,
            stops=pause_at,
        ).run(answers or {})


def is_guessable(stage: type[Stage]) -> bool:
    """Return whether answers to the stage could be guessed: it proves a person, or attempts are counted."""
    return bool(set(stage.gives) & set(flow_facts.PROOFS)) or stage.attempts is not Stage.attempts


def run_result(reports: list[StepReport]) -> str:
    """Return how a dry run ended: finished, asks, denied, leaves or broken."""
    last = reports[-1].decision if reports else ""
    return last if last in ("asks", "denied", "leaves", "broken") else "finished"


class _DryRun:
    """One dry run in progress."""

    def __init__(
        self,
        document: FlowDocument,
        layout: Layout,
        circumstances: Circumstances,
        claimed: ClaimedPerson,
        *,
        judges: bool,
        names: bool,
        stops: Collection[str] | None,
    ) -> None:
        self.document, self.layout, self.circumstances, self.claimed = (
            document,
            layout,
            circumstances,
            claimed,
        )
        self.judges, self.names, self.stops = judges, names, stops
        self.now: datetime = circumstances.time or timezone.now()
        seeds = _seeds(claimed, circumstances, self.now)
        self.state = State(facts=seeds, seeds=sorted(seeds.names))
        self.reports: list[StepReport] = []

    def run(self, answers: Answers) -> list[StepReport]:
        try:
            while step := next_step(self.layout, self.state, self._evaluation_context()):
                self._report_decisions()
                self.state.at = step.id
                outcome, assumed = self._outcome(step, answers.get(step.id))
                self.reports.append(replace(self._report(step, outcome), assumed=assumed))
                if self.reports[-1].decision not in ("done", "refused"):
                    return self.reports
        except BrokenFlow as broken:
            self._report_decisions()
            return [*self.reports, StepReport("", "broken", message=str(broken))]
        self._report_decisions()
        return self.reports

    def _report_decisions(self) -> None:
        """Report what the planner has decided by itself since the last report."""
        reported = {report.step: report.decision for report in self.reports}
        for step, decision in self.state.decided.items():
            if step not in reported or (reported[step], decision) == ("entered", "refused"):
                node = self.layout.by_id[step]
                self.reports.append(
                    StepReport(
                        step,
                        decision,
                        node.definition.stage or node.definition.kind,
                        self.state.read.get(step),
                    )
                )

    def _outcome(self, step: LayoutNode, answer: Any) -> tuple[Outcome, bool]:
        """Return the outcome of a step, and whether it was assumed."""
        run = self._run(step)
        if answer == "passes":
            return Done(step.stage.assumed_facts(run)), True
        if answer == "refuses":
            return Deny("refused for this dry run"), False
        outcome = step.stage.enter(run)
        if not isinstance(outcome, Show) or outcome.last:
            return outcome, False
        if answer is None:
            passes = self.stops is not None and step.id not in self.stops
            return (Done(step.stage.assumed_facts(run)) if passes else outcome), passes
        return self._submit(step, outcome, answer), False

    def _submit(self, step: LayoutNode, shown: Show, answer: Any) -> Outcome:
        self.state.kept = dict(shown.step_state)
        run = self._run(step)
        form = step.stage.form(run, answer)
        if not form.is_valid():
            return Show(
                message="; ".join(str(text) for texts in form.errors.values() for text in texts),
                step_state=self.state.kept,
            )
        if not self.judges and is_guessable(type(step.stage)):
            return Show(message=_NOT_VERIFIED, step_state=self.state.kept)
        outcome = step.stage.submit(run, form.cleaned_data)
        if (
            not self.names
            and isinstance(outcome, Done)
            and "person" in outcome.facts
            and outcome.facts.claimed_person != PK
        ):
            return Show(message=_NO_PEOPLE, step_state=self.state.kept)
        return outcome

    def _report(self, step: LayoutNode, outcome: Outcome) -> StepReport:
        effects = tuple(effect.describe() for effect in outcome.effects)
        known: dict[str, Any] = {
            "stage": step.stage.kind,
            "condition": self.state.read.get(step.id),
            "effects": effects,
        }
        match outcome:
            case Done(facts=learned, outputs=outputs):
                for effect in outcome.effects:
                    learned |= effect.new_facts(None)
                self.state.facts = flow_facts.add_facts(self.state.facts, learned, step.stage.gives)
                self.state.decide(step.id, "done", outputs)
                return StepReport(
                    step.id,
                    "done",
                    learned=tuple(sorted(learned.names)),
                    outputs=dict(outputs),
                    **known,
                )
            case Deny(message=message):
                goes_on = record_refusal(self.layout, self.state, step.id)
                return StepReport(step.id, "refused" if goes_on else "denied", message=str(message), **known)
            case Leave(url=url):
                return StepReport(step.id, "leaves", message=url, **known)
        self.state.kept = {**self.state.kept, **outcome.step_state}
        errors = "; ".join(str(text) for text in outcome.errors.values()) or str(outcome.message)
        return StepReport(
            step.id, "ends" if outcome.last else "asks", shows=self._page(step), message=errors, **known
        )

    def _page(self, step: LayoutNode) -> dict[str, Any]:
        run = self._run(step)
        texts = {"title": step.stage.title, "description": step.stage.description, **step.stage.context(run)}
        fields = [
            {"name": name, "label": str(each.label)} for name, each in step.stage.form(run).fields.items()
        ]
        return {"title": str(texts["title"]), "description": str(texts["description"]), "fields": fields}

    def _evaluation_context(self) -> EvaluationContext:
        circumstances = self.circumstances
        return EvaluationContext(
            self.state.facts,
            circumstances.address,
            circumstances.agent,
            self.now,
            country=circumstances.country or None,
        )

    def _run(self, step: LayoutNode) -> Run:
        circumstances, facts, kept = self.circumstances, self.state.facts, self.state.kept
        session = facts.signed_in.session if "signed_in" in facts else None
        hints = {"assumed": {**circumstances.model_dump(mode="json"), "person": self.claimed}}
        return Run(
            "",
            self.document.flow,
            facts,
            kept,
            hints,
            "",
            session,
            circumstances.address,
            circumstances.agent,
            self.now,
            step.id,
        )


def _to_simulated(person: SimulatedUser) -> SimulatedPerson:
    return SimulatedPerson(**{**person.model_dump(), "username": fold(person.username)})


def _claimed(person: str | SimulatedUser | None) -> ClaimedPerson:
    """Return the person of the dry run as a claimed one; raise PersonNotFound."""
    name = person.username if isinstance(person, SimulatedUser) else person or ""
    claimed = people.identify(name, ["username"])
    if name and claimed.id is None:
        raise PersonNotFound(f"There is no person {name}.")
    return claimed


def _seeds(claimed: ClaimedPerson, circumstances: Circumstances, now: datetime) -> Facts:
    """Return the facts that an existing session would have proved."""
    if not circumstances.signed_in or claimed.id is None:
        return Facts()
    moment = now - timedelta(seconds=circumstances.session_age)
    return flow_facts.build_session_facts(
        claimed.id, claimed.name, 0, moment, dict.fromkeys(circumstances.signed_in, moment)
    )
