"""The context of a request that advances a run, and the transaction in which a step is recorded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from flows import facts as knowledge
from flows.documents.document import FlowDocument
from flows.documents.layout import Layout
from flows.documents.versions import live_version
from flows.engine.planner import Step, document_of, layout_of, refuse
from flows.facts import BrokenFlow
from flows.models import Run as Row
from flows.run import Client, Run, State
from flows.stage import Deny, Done, Leave, Outcome, Show
from idp.accounts.credentials import outdated
from idp.accounts.people import active
from idp.events.bus import publish_bounded
from idp.foundation.condition_variables import About
from idp.foundation.effects import EffectLost
from idp.foundation.sealing import macs

# Replaces the step's ID in the token for a restart; no step can have this ID.
RESTART = "$restart"


class Overtaken(Exception):
    """Another request moved the run first."""


@dataclass
class Walk:
    """A run in progress: its row, its state and its client.

    ``may_write``: whether this request may change anything (a POST) or not (a GET).
    """

    row: Row
    state: State
    client: Client
    may_write: bool
    now: datetime

    @property
    def document(self) -> FlowDocument:
        """The document of the run's version."""
        return document_of(self.row.version)

    @property
    def about(self) -> About:
        """The context in which conditions are evaluated."""
        return About(self.state.facts, self.client.address, self.client.agent, self.now)

    @property
    def layout(self) -> Layout:
        """The layout of the run's version; raises BrokenFlow."""
        return layout_of(self.row.version)

    @property
    def since_start(self) -> int:
        """Milliseconds since the run began."""
        return max(0, round((timezone.now() - self.row.started_at).total_seconds() * 1000))

    @property
    def name(self) -> str:
        """The claimed name, for events; "" if no person has it.

        People type passwords there by mistake.
        """
        claimed = self.state.facts.get("person") or {}
        return str(claimed.get("name", "")) if claimed.get("id") else ""

    def seen_by_stage(self) -> Run:
        """Return the part of the run that a stage may read."""
        return Run(
            identifier=self.row.identifier,
            flow=self.document.flow,
            facts=self.state.facts,
            kept=self.state.kept,
            hints=self.state.hints,
            browser=self.row.nonce_hash,
            session=self.client.session.pk if self.client.session else None,
            address=self.client.address,
            agent=self.client.agent,
            now=self.now,
            step=self.state.at or "",
            known=self.client.known,
        )

    def tokens(self, step: str) -> list[str]:
        """Return the form's tokens for this browser, run and step, newest key first.

        They keep other sites from posting here.
        """
        return macs("run_token", f"{self.row.nonce_hash}\0{self.row.identifier}\0{step}")

    def session_holds(self) -> bool:
        """Return whether the session of the run is alive in this client and its person active.

        Before there is a session, return whether the proof is still valid: its person is active, and the
        credentials that prove them have not changed since.
        """
        signed_in, session = self.state.facts.get("signed_in"), self.client.session
        if not signed_in:
            proof = self.state.facts.get("proof")
            person = active(proof["person"]) if proof else None
            return not proof or bool(person and not outdated(person, datetime.fromisoformat(proof["at"])))
        return bool(
            session
            and session.person.is_active
            and (session.pk, session.person_id) == (signed_in["session"], signed_in["person"])
        )


def ending(kind: str, title: str = "", message: str = "", **more: str) -> dict[str, str]:
    """Return how a run ended, for its last page."""
    return {"kind": kind, "title": title, "message": message, **more}


def record(walk: Walk, step: Step, outcome: Outcome) -> None:
    """Apply effects, learn facts and save the state in one transaction; report results after the commit.

    Raise EffectLost, Overtaken or BrokenFlow; the context's state is then as it was before.
    """
    before = State.load(walk.state.dump())
    results: list[Any] = []
    try:
        with transaction.atomic():
            results.extend(effect.apply() for effect in outcome.effects)
            _note(walk, step, outcome, results)
            save(walk)
    except EffectLost:
        walk.state = before
        # The other request of a double click came first and had the same effect, so its page is shown.
        if _moved(walk):
            raise Overtaken from None
        raise
    except Exception:
        walk.state = before
        raise
    walk.client.committed(results)


def save(walk: Walk) -> None:
    """Save the state by compare-and-set on the revision; raise Overtaken."""
    row, facts = walk.row, walk.state.facts
    values: dict[str, Any] = {
        "state": walk.state.dump(),
        "version": row.version,
        "person": (facts.get("person") or {}).get("id"),
    }
    if walk.state.end:
        values["ended_at"] = walk.now
    if "signed_in" in facts:
        values["session_id"] = facts["signed_in"]["session"]
    if not Row.objects.filter(pk=row.pk, revision=row.revision).update(revision=row.revision + 1, **values):
        raise Overtaken
    row.revision += 1


def _moved(walk: Walk) -> bool:
    return not Row.objects.filter(pk=walk.row.pk, revision=walk.row.revision).exists()


def _note(walk: Walk, step: Step, outcome: Outcome, results: Iterable[Any]) -> None:
    state = walk.state
    match outcome:
        case Done(facts=learned, effects=effects, told=told):
            _learn(walk, step, {**learned, **_from_effects(effects, results)}, told)
        case Show(keep=keep, last=last):
            state.kept, state.held = {**state.kept, **keep}, False
            state.end = ending("last") if last else None
            if outcome.errors or outcome.message:
                _tell(walk, step, "flow.step_failed")
        case Deny(message=message, title=title, effects=effects, set_up=set_up):
            more = {"set_up": str(set_up)} if set_up else {}
            _refuse(walk, step, ending("denied", str(title), str(message), **more), tells=not effects)
        case Leave(url=url):
            state.end = ending("leave", url=url)


def _refuse(walk: Walk, step: Step, end: dict[str, str], *, tells: bool) -> None:
    """Record a refusal and end the run unless the flow continues.

    ``tells``: false where an effect of the refusal has published an event already, such as the one for a
    denied device.
    """
    goes_on = refuse(walk.layout, walk.state, step.id, walk.since_start)
    if tells:
        _tell(walk, step, "flow.denied", goes_on=goes_on)
    if not goes_on:
        walk.state.at, walk.state.end = step.id, end


def topic_of(run: str) -> str:
    """Return the topic of the events about a run."""
    return f"run:{run}"


def _tell(walk: Walk, step: Step, kind: str, **more: Any) -> None:
    """Publish an event of this step; anyone can cause it, so their number is bounded."""
    about: dict[str, Any] = {"run": walk.row.identifier, "flow": walk.document.flow, "stage": step.stage.kind}
    publish_bounded(
        kind, actor=walk.name, target=step.id, topic=topic_of(walk.row.identifier), **about, **more
    )


def _learn(walk: Walk, step: Step, news: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    state = walk.state
    if strange := sorted(set(told) - set(step.stage.words())):
        raise BrokenFlow(f"The stage {step.stage.kind} told {', '.join(strange)}, which it does not declare.")
    knowledge.learn(state.facts, news, step.stage.gives)
    state.seeds = [name for name in state.seeds if name in state.facts]
    state.decide(step.id, "done", told, walk.since_start)
    if "signed_in" in news:
        _end_runs_of_others(walk, news["signed_in"]["person"])
    if "request" in news:
        _change_flow(walk, news["request"].get("flow", ""))


def _from_effects(effects: Iterable[Any], results: Iterable[Any]) -> dict[str, Any]:
    return {
        name: fact
        for effect, result in zip(effects, results, strict=True)
        for name, fact in effect.learned(result).items()
    }


def _change_flow(walk: Walk, wanted: str) -> None:
    """Continue with the flow that the request requires, the application's own or the tenant's.

    The facts that were learned so far are kept.
    """
    if wanted == walk.document.flow:
        return
    version = live_version(walk.document.designation, wanted)
    if version is None:
        raise BrokenFlow(
            f"The application uses the flow {wanted or 'of the tenant'}, which has no published version."
        )
    if version.flow.name == walk.document.flow:
        return
    state = walk.state
    left = {
        "version": walk.row.version_id,
        "decided": state.decided,
        "times": state.times,
        "read": state.read,
    }
    state.before = [*state.before, left]
    state.decided, state.times, state.read, state.told = {}, {}, {}, {}
    state.seeds = sorted(set(state.facts) - set(knowledge.NEVER_SEEDED))
    walk.row.version = version


def _end_runs_of_others(walk: Walk, person: int) -> None:
    """End this browser's runs for other people when a person signs in.

    A refused run keeps its page but forgets its proofs, so that no one can restart it with them.

    The runs are locked in one order, so that of two tabs that sign in at once one waits for the other.
    """
    living = (
        Row.objects.select_for_update()
        .filter(nonce_hash=walk.row.nonce_hash, expires_at__gt=walk.now)
        .order_by("pk")
    )
    message = _("Someone else signed in on this browser. Please start again.")
    for other in living:
        state = State.load(other.state)
        if (
            other.pk == walk.row.pk
            or other.person in (None, person)
            or (state.end and state.end["kind"] not in ("denied", "refused"))
        ):
            continue
        state.end = state.end or ending("lost", _("Someone else signed in"), message)
        state.facts = {name: fact for name, fact in state.facts.items() if name not in knowledge.PROOFS}
        rows = Row.objects.filter(pk=other.pk, revision=other.revision)
        rows.update(state=state.dump(), revision=other.revision + 1, ended_at=other.ended_at or walk.now)
