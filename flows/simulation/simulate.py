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
from flows.documents.document import Answers, Circumstances, FlowDocument, InventedPerson
from flows.documents.layout import Layout, TooLarge, lay_out
from flows.engine.planner import Step, next_step, refuse
from flows.facts import BrokenFlow
from flows.run import Run, State
from flows.stage import Deny, Done, Leave, Outcome, Show, Stage
from idp.accounts import people
from idp.accounts.simulated import PK, Invented, inventing
from idp.foundation.condition_variables import About
from idp.foundation.errors import Conflict
from idp.foundation.text import fold

_NOT_VERIFIED = _(
    "Tests don't check this answer, so that passwords and codes can't be guessed. Use passes or refuses."
)

_NO_PEOPLE = _(
    "Your role can't view people, so no person can be named here. Use a test user, and passes or refuses."
)


class NobodyThere(Conflict):
    """The tenant has no person of this name."""


@dataclass(frozen=True)
class Report:
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
    told: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Mapping[str, Any], ...] = ()
    message: str = ""
    assumed: bool = False


def simulate(
    document: FlowDocument,
    answers: Answers | None = None,
    *,
    parts: Mapping[str, FlowDocument] | None = None,
    person: str | InventedPerson | None = None,
    request: Circumstances | None = None,
    judges: bool = True,
    names: bool = True,
    stops: Collection[str] | None = None,
) -> list[Report]:
    """Run ``document`` from its first step without writing, and return a report for each step.

    ``answers``: by step ID; the dry run ends at a step that asks and has no answer.

    ``parts``: the sub-flows. ``person``: the person of an existing session, or a simulated one; raise
    NobodyThere. ``judges``: False where the user must not be able to guess. An answer that would prove a
    person, or on which attempts are counted, is then not checked, because a dry run counts none. ``names``:
    False where the user may not view people, whose groups and attributes conditions reveal; no person of the
    tenant can be named then. ``stops``: if given, a step without an answer passes instead of asking, except
    for these.
    """
    circumstances = request or Circumstances()
    if person and isinstance(person, str) and not names:
        raise NobodyThere(str(_NO_PEOPLE))
    simulated = _to_simulated(person) if isinstance(person, InventedPerson) else None
    with inventing(simulated):
        try:
            layout = lay_out(document, parts or {})
        except TooLarge as error:
            return [Report("", "broken", message=str(error))]
        return _DryRun(
            document, layout, circumstances, _claimed(person), judges=judges, names=names, stops=stops
        ).run(answers or {})


def guarded(stage: type[Stage]) -> bool:
    """Return whether answers to the stage could be guessed: it proves a person, or attempts are counted."""
    return bool(set(stage.gives) & set(flow_facts.PROOFS)) or stage.attempts is not Stage.attempts


def ending(reports: list[Report]) -> str:
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
        claimed: Mapping[str, Any],
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
        self.state = State(facts=seeds, seeds=sorted(seeds))
        self.reports: list[Report] = []

    def run(self, answers: Answers) -> list[Report]:
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
            return [*self.reports, Report("", "broken", message=str(broken))]
        self._report_decisions()
        return self.reports

    def _report_decisions(self) -> None:
        """Report what the planner has decided by itself since the last report."""
        reported = {report.step: report.decision for report in self.reports}
        for step, decision in self.state.decided.items():
            if step not in reported or (reported[step], decision) == ("entered", "refused"):
                node = self.layout.by_id[step]
                self.reports.append(
                    Report(step, decision, node.drawn.stage or node.drawn.kind, self.state.read.get(step))
                )

    def _outcome(self, step: Step, answer: Any) -> tuple[Outcome, bool]:
        """Return the outcome of a step, and whether it was assumed."""
        run = self._run(step)
        if answer == "passes":
            return Done(step.stage.assumed(run)), True
        if answer == "refuses":
            return Deny("refused for this dry run"), False
        outcome = step.stage.enter(run)
        if not isinstance(outcome, Show) or outcome.last:
            return outcome, False
        if answer is None:
            passes = self.stops is not None and step.id not in self.stops
            return (Done(step.stage.assumed(run)) if passes else outcome), passes
        return self._submit(step, outcome, answer), False

    def _submit(self, step: Step, shown: Show, answer: Any) -> Outcome:
        self.state.kept = dict(shown.keep)
        run = self._run(step)
        form = step.stage.form(run, answer)
        if not form.is_valid():
            return Show(
                message="; ".join(str(text) for texts in form.errors.values() for text in texts),
                keep=self.state.kept,
            )
        if not self.judges and guarded(type(step.stage)):
            return Show(message=_NOT_VERIFIED, keep=self.state.kept)
        outcome = step.stage.submit(run, form.cleaned_data)
        if (
            not self.names
            and isinstance(outcome, Done)
            and (outcome.facts.get("person") or {}).get("id", PK) != PK
        ):
            return Show(message=_NO_PEOPLE, keep=self.state.kept)
        return outcome

    def _report(self, step: Step, outcome: Outcome) -> Report:
        effects = tuple(effect.described() for effect in outcome.effects)
        known: dict[str, Any] = {
            "stage": step.stage.kind,
            "condition": self.state.read.get(step.id),
            "effects": effects,
        }
        match outcome:
            case Done(facts=learned, told=outputs):
                expected = {
                    name: fact for effect in outcome.effects for name, fact in effect.learned(None).items()
                }
                flow_facts.learn(self.state.facts, {**learned, **expected}, step.stage.gives)
                self.state.decide(step.id, "done", outputs)
                return Report(
                    step.id,
                    "done",
                    learned=tuple(sorted({**learned, **expected})),
                    told=dict(outputs),
                    **known,
                )
            case Deny(message=message):
                goes_on = refuse(self.layout, self.state, step.id)
                return Report(step.id, "refused" if goes_on else "denied", message=str(message), **known)
            case Leave(url=url):
                return Report(step.id, "leaves", message=url, **known)
        self.state.kept = {**self.state.kept, **outcome.keep}
        errors = "; ".join(str(text) for text in outcome.errors.values()) or str(outcome.message)
        return Report(
            step.id, "ends" if outcome.last else "asks", shows=self._page(step), message=errors, **known
        )

    def _page(self, step: Step) -> dict[str, Any]:
        run = self._run(step)
        texts = {"title": step.stage.title, "description": step.stage.description, **step.stage.context(run)}
        fields = [
            {"name": name, "label": str(each.label)} for name, each in step.stage.form(run).fields.items()
        ]
        return {"title": str(texts["title"]), "description": str(texts["description"]), "fields": fields}

    def _evaluation_context(self) -> About:
        circumstances = self.circumstances
        return About(
            self.state.facts,
            circumstances.address,
            circumstances.agent,
            self.now,
            country=circumstances.country or None,
        )

    def _run(self, step: Step) -> Run:
        circumstances, session = self.circumstances, (self.state.facts.get("signed_in") or {}).get("session")
        hints = {"assumed": {**circumstances.model_dump(mode="json"), "person": self.claimed}}
        facts, kept = self.state.facts, self.state.kept
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


def _to_simulated(person: InventedPerson) -> Invented:
    return Invented(**{**person.model_dump(), "username": fold(person.username)})


def _claimed(person: str | InventedPerson | None) -> dict[str, Any]:
    """Return the person of the dry run as a claimed one; raise NobodyThere."""
    name = person.username if isinstance(person, InventedPerson) else person or ""
    claimed = people.claim(name, ["username"])
    if name and claimed["id"] is None:
        raise NobodyThere(f"There is no person {name}.")
    return claimed


def _seeds(claimed: Mapping[str, Any], circumstances: Circumstances, now: datetime) -> dict[str, Any]:
    """Return the facts that an existing session would have proved."""
    if not circumstances.signed_in or claimed["id"] is None:
        return {}
    moment = now - timedelta(seconds=circumstances.session_age)
    return flow_facts.proved(
        claimed["id"], str(claimed["name"]), 0, moment, dict.fromkeys(circumstances.signed_in, moment)
    )
