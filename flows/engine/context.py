"""The context of a request that advances a run, and the transaction in which a step is recorded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from flows import facts as flow_facts
from flows.documents.document import FlowDocument
from flows.documents.layout import Layout, LayoutNode
from flows.documents.published import document_of, layout_of
from flows.documents.versions import live_version
from flows.engine.planner import record_refusal
from flows.facts import BrokenFlow
from flows.models import Run as RunRow
from flows.run import Client, Run, State
from flows.stage import Deny, Done, Leave, Outcome, Show
from idp.accounts.credentials import is_proof_outdated
from idp.accounts.people import find_active
from idp.events.bus import publish_bounded
from idp.foundation.condition_variables import EvaluationContext
from idp.foundation.effects import EffectConflict
from idp.foundation.sealing import macs

# Replaces the step's ID in the token for a restart; no step can have this ID.
RESTART = "$restart"


class RunConflict(Exception):
    """Another request moved the run first."""


@dataclass
class RunContext:
    """A run in progress: its row, its state and its client.

    ``may_write``: whether this request may change anything (a POST) or not (a GET).
    """

    row: RunRow
    state: State
    client: Client
    may_write: bool
    now: datetime

    @property
    def document(self) -> FlowDocument:
        """The document of the run's version."""
        return document_of(self.row.version)

    @property
    def evaluation_context(self) -> EvaluationContext:
        """The context in which conditions are evaluated."""
        return EvaluationContext(self.state.facts, self.client.address, self.client.agent, self.now)

    @property
    def layout(self) -> Layout:
        """The layout of the run's version; raises BrokenFlow."""
        return layout_of(self.row.version)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the run began."""
        return max(0, round((timezone.now() - self.row.started_at).total_seconds() * 1000))

    @property
    def event_actor(self) -> str:
        """The claimed name, for events; "" if no person has it.

        People type passwords there by mistake.
        """
        claimed = self.state.facts.get("person") or {}
        return str(claimed.get("name", "")) if claimed.get("id") else ""

    def as_run(self) -> Run:
        """Return the part of the run that a stage may read."""
        return Run(
            identifier=self.row.identifier,
            flow=self.document.flow,
            facts=self.state.facts,
            step_state=self.state.kept,
            hints=self.state.hints,
            browser=self.row.nonce_hash,
            session=self.client.session.pk if self.client.session else None,
            address=self.client.address,
            agent=self.client.agent,
            now=self.now,
            step=self.state.at or "",
            known_browser=self.client.known_browser,
        )

    def form_tokens(self, step: str) -> list[str]:
        """Return the form's tokens for this browser, run and step, newest key first.

        They keep other sites from posting here.
        """
        return macs("run_token", f"{self.row.nonce_hash}\0{self.row.identifier}\0{step}")

    def is_session_valid(self) -> bool:
        """Return whether the session of the run is alive in this client and its person active.

        Before there is a session, return whether the proof is still valid: its person is active, and the
        credentials that prove them have not changed since.
        """
        signed_in, session = self.state.facts.get("signed_in"), self.client.session
        if not signed_in:
            proof = self.state.facts.get("proof")
            person = find_active(proof["person"]) if proof else None
            return not proof or bool(
                person and not is_proof_outdated(person, datetime.fromisoformat(proof["at"]))
            )
        return bool(
            session
            and session.person.is_active
            and (session.pk, session.person_id) == (signed_in["session"], signed_in["person"])
        )


def make_end(kind: str, title: str = "", message: str = "", **more: str) -> dict[str, str]:
    """Return how a run ended, for its last page."""
    return {"kind": kind, "title": title, "message": message, **more}


def record_outcome(context: RunContext, step: LayoutNode, outcome: Outcome) -> None:
    """Apply effects, learn facts and save the state in one transaction; report results after the commit.

    Raise EffectConflict, RunConflict or BrokenFlow; the context's state is then as it was before.
    """
    before = State.load(context.state.dump())
    results: list[Any] = []
    try:
        with transaction.atomic():
            results.extend(effect.apply() for effect in outcome.effects)
            _apply_outcome(context, step, outcome, results)
            save_state(context)
    except EffectConflict:
        context.state = before
        # The other request of a double click came first and had the same effect, so its page is shown.
        if _has_changed(context):
            raise RunConflict from None
        raise
    except Exception:
        context.state = before
        raise
    context.client.on_commit(results)


def save_state(context: RunContext) -> None:
    """Save the state by compare-and-set on the revision; raise RunConflict."""
    row, facts = context.row, context.state.facts
    values: dict[str, Any] = {
        "state": context.state.dump(),
        "version": row.version,
        "person": (facts.get("person") or {}).get("id"),
    }
    if context.state.end:
        values["ended_at"] = context.now
    if "signed_in" in facts:
        values["session_id"] = facts["signed_in"]["session"]
    if not RunRow.objects.filter(pk=row.pk, revision=row.revision).update(
        revision=row.revision + 1, **values
    ):
        raise RunConflict
    row.revision += 1


def _has_changed(context: RunContext) -> bool:
    return not RunRow.objects.filter(pk=context.row.pk, revision=context.row.revision).exists()


def _apply_outcome(context: RunContext, step: LayoutNode, outcome: Outcome, results: Iterable[Any]) -> None:
    state = context.state
    match outcome:
        case Done(facts=learned, effects=effects, outputs=outputs):
            _record_done(context, step, {**learned, **_facts_of_effects(effects, results)}, outputs)
        case Show(step_state=keep, last=last):
            state.kept, state.held = {**state.kept, **keep}, False
            state.end = make_end("last") if last else None
            if outcome.errors or outcome.message:
                _publish(context, step, "flow.step_failed")
        case Deny(message=message, title=title, effects=effects, set_up_label=set_up):
            extra = {"set_up": str(set_up)} if set_up else {}
            _record_refusal(
                context, step, make_end("denied", str(title), str(message), **extra), publishes=not effects
            )
        case Leave(url=url):
            state.end = make_end("leave", url=url)


def _record_refusal(context: RunContext, step: LayoutNode, end: dict[str, str], *, publishes: bool) -> None:
    """Record a refusal and end the run unless the flow continues.

    ``publishes``: false where an effect of the refusal has published an event already, such as the one for a
    denied device.
    """
    continues = record_refusal(context.layout, context.state, step.id, context.elapsed_ms)
    if publishes:
        _publish(context, step, "flow.denied", goes_on=continues)
    if not continues:
        context.state.at, context.state.end = step.id, end


def topic_of(run: str) -> str:
    """Return the topic of the events about a run."""
    return f"run:{run}"


def _publish(context: RunContext, step: LayoutNode, kind: str, **extra: Any) -> None:
    """Publish an event of this step; anyone can cause it, so their number is bounded."""
    data: dict[str, Any] = {
        "run": context.row.identifier,
        "flow": context.document.flow,
        "stage": step.stage.kind,
    }
    publish_bounded(
        kind,
        actor=context.event_actor,
        target=step.id,
        topic=topic_of(context.row.identifier),
        **data,
        **extra,
    )


def _record_done(
    context: RunContext, step: LayoutNode, new_facts: Mapping[str, Any], outputs: Mapping[str, Any]
) -> None:
    state = context.state
    if undeclared := sorted(set(outputs) - set(step.stage.outputs())):
        raise BrokenFlow(
            f"The stage {step.stage.kind} returned {', '.join(undeclared)}, which it does not declare."
        )
    flow_facts.add_facts(state.facts, new_facts, step.stage.gives)
    state.seeds = [name for name in state.seeds if name in state.facts]
    state.decide(step.id, "done", outputs, context.elapsed_ms)
    if "signed_in" in new_facts:
        _end_runs_of_other_people(context, new_facts["signed_in"]["person"])
    if "request" in new_facts:
        _switch_flow(context, new_facts["request"].get("flow", ""))


def _facts_of_effects(effects: Iterable[Any], results: Iterable[Any]) -> dict[str, Any]:
    return {
        name: fact
        for effect, result in zip(effects, results, strict=True)
        for name, fact in effect.new_facts(result).items()
    }


def _switch_flow(context: RunContext, flow_name: str) -> None:
    """Continue with the flow that the request requires, the application's own or the tenant's.

    The facts that were learned so far are kept.
    """
    if flow_name == context.document.flow:
        return
    version = live_version(context.document.designation, flow_name)
    if version is None:
        raise BrokenFlow(
            f"The application uses the flow {flow_name or 'of the tenant'}, which has no published version."
        )
    if version.flow.name == context.document.flow:
        return
    state = context.state
    previous = {
        "version": context.row.version_id,
        "decided": state.decided,
        "times": state.times,
        "read": state.read,
    }
    state.before = [*state.before, previous]
    state.decided, state.times, state.read, state.outputs = {}, {}, {}, {}
    state.seeds = sorted(set(state.facts) - set(flow_facts.NEVER_SEEDED))
    context.row.version = version


def _end_runs_of_other_people(context: RunContext, person: int) -> None:
    """End this browser's runs for other people when a person signs in.

    A refused run keeps its page but forgets its proofs, so that no one can restart it with them.

    The runs are locked in one order, so that of two tabs that sign in at once one waits for the other.
    """
    active_runs = (
        RunRow.objects.select_for_update()
        .filter(nonce_hash=context.row.nonce_hash, expires_at__gt=context.now)
        .order_by("pk")
    )
    message = _("Someone else signed in on this browser. Please start again.")
    for other in active_runs:
        state = State.load(other.state)
        if (
            other.pk == context.row.pk
            or other.person in (None, person)
            or (state.end and state.end["kind"] not in ("denied", "refused"))
        ):
            continue
        state.end = state.end or make_end("lost", _("Someone else signed in"), message)
        state.facts = {name: fact for name, fact in state.facts.items() if name not in flow_facts.PROOFS}
        rows = RunRow.objects.filter(pk=other.pk, revision=other.revision)
        rows.update(state=state.dump(), revision=other.revision + 1, ended_at=other.ended_at or context.now)
