"""Records what a step came to: effects, facts and state, in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from flows import facts as flow_facts
from flows.documents.layout import LayoutNode
from flows.documents.versions import live_version
from flows.engine.context import RunConflict, RunContext, make_end, topic_of
from flows.engine.planner import record_refusal
from flows.facts import BrokenFlow, Facts
from flows.models import Run as RunRow
from flows.run import State
from flows.stage import Deny, Done, Leave, Outcome, Show
from idp.events.bus import publish_bounded
from idp.foundation.effects import EffectConflict


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
            context.save()
    except EffectConflict:
        context.state = before
        # The other request of a double click came first and had the same effect, so its page is shown.
        if context.is_outdated():
            raise RunConflict from None
        raise
    except Exception:
        context.state = before
        raise
    context.client.on_commit(results)


def _apply_outcome(context: RunContext, step: LayoutNode, outcome: Outcome, results: Sequence[Any]) -> None:
    state = context.state
    match outcome:
        case Done(facts=learned, effects=effects, outputs=outputs):
            for effect, result in zip(effects, results, strict=True):
                learned |= effect.new_facts(result)
            _record_done(context, step, learned, outputs)
        case Show(step_state=keep, last=last):
            state.kept, state.held = {**state.kept, **keep}, False
            state.end = make_end("last") if last else None
            if outcome.errors or outcome.message:
                _publish(context, step, "flow.step_failed")
        case Deny(message=message, title=title, effects=effects, set_up_label=set_up):
            continues = record_refusal(context.layout, state, step.id, context.elapsed_ms)
            if not effects:  # otherwise one of them published an event already, as for a denied device
                _publish(context, step, "flow.denied", goes_on=continues)
            if not continues:
                extra = {"set_up": str(set_up)} if set_up else {}
                state.at, state.end = step.id, make_end("denied", str(title), str(message), **extra)
        case Leave(url=url):
            state.end = make_end("leave", url=url)


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


def _record_done(context: RunContext, step: LayoutNode, new_facts: Facts, outputs: Mapping[str, Any]) -> None:
    state = context.state
    if undeclared := sorted(set(outputs) - set(step.stage.outputs())):
        raise BrokenFlow(
            f"The stage {step.stage.kind} returned {', '.join(undeclared)}, which it does not declare."
        )
    state.facts = flow_facts.add_facts(state.facts, new_facts, step.stage.gives)
    state.seeds = [name for name in state.seeds if name in state.facts]
    state.decide(step.id, "done", outputs, context.elapsed_ms)
    if "signed_in" in new_facts:
        _end_runs_of_other_people(context, new_facts.signed_in.person)
    if "request" in new_facts:
        _switch_flow(context, new_facts.request.flow)


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
    state.seeds = sorted(state.facts.names - set(flow_facts.NEVER_SEEDED))
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
        state.facts = state.facts.without(*flow_facts.PROOFS)
        rows = RunRow.objects.filter(pk=other.pk, revision=other.revision)
        rows.update(state=state.dump(), revision=other.revision + 1, ended_at=other.ended_at or context.now)
