"""Advances runs: the single entry point for a browser's page and a JSON client's answer.

The loop is short: enter each undecided step, apply its effects, continue. Everything that a stage could
forget is enforced here: who may access the run, its expiry, the token of the form, the living session, the
needs, the budgets, and the one transaction with its compare-and-set. Stages are called outside of the
transaction, so that hashing a password never holds a lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from flows.documents.designations import LOGOUT
from flows.documents.versions import live_version
from flows.engine.context import RESTART, Overtaken, Walk, ending, record, save, topic_of
from flows.engine.page import Page, asked, ended, with_errors
from flows.engine.planner import Step, next_step, step_of
from flows.engine.run_limits import make_room, pay_restart, tidy
from flows.facts import BrokenFlow
from flows.models import Run as Row
from flows.models import Version
from flows.run import Client, State
from flows.stage import Deny, Done, Outcome, Show
from idp.accounts import sessions
from idp.accounts.models import Session
from idp.events.bus import publish_bounded, publish_once
from idp.foundation.effects import EffectLost
from idp.foundation.errors import Conflict, NotFound
from idp.foundation.sealing import Unsealable, digest, same
from idp.ratelimit.budgets import Exhausted, address_key, conclude, reserve

_A_MINUTE = timedelta(minutes=1)
KEPT_OVER_RESTART = ("person", "proof", "second_factor", "signed_in")


class NoSuchRun(NotFound):
    """There is no such run, or it belongs to another browser: the two look the same."""

    code = "no_such_run"


class NoFlow(NotFound):
    """The tenant has no live flow for this."""

    code = "no_flow"


class OutOfDate(Conflict):
    """The page from which this was asked is out of date."""

    code = "out_of_date"


@dataclass(frozen=True)
class Answer:
    """A submitted form: the ID of its step, its token, and the raw fields."""

    step: str
    token: str
    fields: Mapping[str, Any]


def start(
    designation: str,
    client: Client,
    *,
    flow: str = "",
    hints: Mapping[str, Any] | None = None,
    anew: bool = False,
    may_write: bool = False,
) -> str:
    """Start a run for this designation and return its identifier; raise NoFlow or TooManyRuns.

    ``flow``: the flow that an application uses instead of the tenant's default. ``hints``: what the entry
    point passes along (nothing proven). ``anew``: ignore the client's session. ``may_write``: a person has
    just confirmed by POST.
    """
    version = live_version(designation, flow)
    if version is None:
        raise NoFlow
    # Signing out must never fail because of other runs of the network.
    must = designation == LOGOUT and client.session is not None
    make_room(address_key(client.address), version.flow.name, timezone.now(), refuses=not must)
    state = State.begin(None if anew else client.session, hints or {})
    return _begin(version, client, state, may_write=may_write)


def restart(identifier: str, client: Client, token: str, *, keep: bool) -> str:
    """End a run, start its flow again in the version that is live now, and return the new run's identifier.

    ``keep``: with the facts about the person, so that nothing proved is asked again; otherwise with none.
    Consent is never kept. Raise NoSuchRun, NoFlow, TooManyRuns, or OutOfDate when ``token`` is not the
    page's.
    """
    walk = _open(identifier, client, may_write=True)
    if not any(same(token, expected) for expected in walk.tokens(RESTART)):
        raise OutOfDate
    version = live_version(
        walk.document.designation, "" if walk.row.version.flow.is_default else walk.document.flow
    )
    if version is None:
        raise NoFlow
    state = State.begin(None, walk.state.hints)
    if keep and _may_keep(walk):
        state.facts = _kept(walk.state.facts, walk.now)
        state.seeds = sorted(state.facts)
    network = address_key(client.address)
    pay_restart(network, version.flow.name)
    make_room(network, version.flow.name, walk.now, besides=walk.row.pk)
    if not walk.state.end:
        _finish(walk, "lost", _("Started again"), _("You started again on another page."))
    tidy(network, walk.now)
    return _begin(version, client, state, may_write=False)


def _may_keep(walk: Walk) -> bool:
    """Return whether the facts about the person are still valid for a restart.

    Those of an expired run are not. Of a run that has finished, or that ended because another person signed
    in, only those with a living session are.
    """
    end = (walk.state.end or {"kind": ""})["kind"]
    if walk.row.expires_at <= walk.now or not walk.session_holds():
        return False
    return end in ("", "denied", "refused") or "signed_in" in walk.state.facts


def _kept(facts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the facts that a restart keeps.

    A proof without a session stays valid for the lifetime of one run, however often it is restarted.
    """
    oldest = (now - timedelta(seconds=settings.RUN_LIFETIME)).isoformat()
    kept = {name: facts[name] for name in KEPT_OVER_RESTART if name in facts}
    if "signed_in" in kept:
        return kept
    return {name: fact for name, fact in kept.items() if name == "person" or fact.get("at", "") >= oldest}


def _begin(version: Version, client: Client, state: State, *, may_write: bool) -> str:
    now, network = timezone.now(), address_key(client.address)
    row = Row.objects.create(
        identifier=uuid4().hex,
        nonce_hash=digest(client.nonce),
        version=version,
        state=state.dump(),
        person=(state.facts.get("person") or {}).get("id"),
        network=network,
        started_at=now,
        expires_at=now + timedelta(seconds=settings.RUN_LIFETIME),
    )
    walk = Walk(row, state, client, may_write=may_write, now=now)
    _go_on(walk)
    if walk.state.end:  # ended without an answer, so anyone could create any number of them
        tidy(network, now)
    return row.identifier


def look(identifier: str, client: Client) -> Page:
    """Return the run's current page; raise NoSuchRun.

    Reading it applies no effect, however often it is done.
    """
    return _current(_open(identifier, client, may_write=False))


def answer(identifier: str, client: Client, given: Answer) -> Page:
    """Submit an answer to the current step and return the next page; raise NoSuchRun.

    An answer to another step, or a duplicate, returns the current page again.
    """
    walk = _open(identifier, client, may_write=True)
    if walk.state.end:
        return _current(walk)
    if not any(same(given.token, expected) for expected in walk.tokens(given.step)):
        # also where a crash left the run between two steps, because no page asked to continue
        walk.may_write = False
        return _current(
            walk, message=_("This page was out of date. Please try again."), message_kind="notice"
        )
    if given.step != walk.state.at:
        return _current(walk)
    try:
        return _submit(walk, step_of(walk.layout, given.step), given.fields)
    except BrokenFlow as broken:
        return _refuse(walk, broken)


def session_of(identifier: str, nonce: str) -> Session | None:
    """Return the living session that a run started, for a client that cannot store it elsewhere."""
    row = Row.objects.filter(identifier=identifier, nonce_hash=digest(nonce)).first()
    return sessions.alive(row.session_id) if row else None


def _open(identifier: str, client: Client, *, may_write: bool) -> Walk:
    row = (
        Row.objects.select_related("version__flow")
        .filter(identifier=identifier, nonce_hash=digest(client.nonce))
        .first()
    )
    if row is None:
        raise NoSuchRun
    walk = Walk(row, State.load(row.state), client, may_write, timezone.now())
    over = walk.state.end and walk.state.end["kind"] != "last"
    if not over and row.expires_at <= walk.now:
        title, message = (
            _("This took too long"),
            _("This sign-in timed out for your security. Please start again."),
        )
        if walk.state.end:  # it ended in time and is counted as finished
            walk.state.end = ending("expired", title, message)
        else:
            _finish(walk, "expired", title, message)
    elif not walk.state.end and not walk.session_holds():
        _lose(walk)
    return walk


def _lose(walk: Walk) -> None:
    """End the run whose session has ended.

    While the session is alive, a client without it only sees the page of an ended run. Its request may be the
    second click of a sign-in, sent before the cookie arrived, and the first one's run continues.
    """
    title, message = (
        _("You were signed out"),
        _("Your session expired, or someone else signed in here. Please start again."),
    )
    if "signed_in" not in walk.state.facts:
        message = _("Your password or second factor was changed in the meantime. Please start again.")
        _finish(walk, "lost", _("This request has expired"), message)
    elif sessions.alive(walk.state.facts["signed_in"]["session"]):
        walk.state.end = ending("lost", title, message)
    else:
        _finish(walk, "lost", title, message)


def _go_on(walk: Walk) -> Page:
    """Enter step after step until one shows a page or the run ends."""
    try:
        while step := next_step(walk.layout, walk.state, walk.about):
            walk.state.ask(step.id, walk.since_start)
            if page := _settle(walk, step, step.stage.enter(walk.seen_by_stage())):
                return page
    except BrokenFlow as broken:
        return _refuse(walk, broken)
    return _finish(walk, "finished", _("Done"), "")


def _submit(walk: Walk, step: Step, fields: Mapping[str, Any]) -> Page:
    if walk.state.held:
        walk.state.answered = True
        return _settle(walk, step, step.stage.enter(walk.seen_by_stage())) or _go_on(walk)
    run = walk.seen_by_stage()
    form = step.stage.form(run, fields)
    if not form.is_valid():
        return asked(walk, step, form)
    walk.state.answered = True
    receipts = reserve(step.stage.attempts(run, form.cleaned_data))
    if isinstance(receipts, Exhausted):
        about: dict[str, Any] = {
            "budget": receipts.budget.name,
            "run": run.identifier,
            "flow": run.flow,
            "stage": step.stage.kind,
        }
        publish_once(
            "flow.throttled",
            _A_MINUTE,
            actor=walk.name,
            target=step.id,
            topic=topic_of(run.identifier),
            **about,
        )
        return asked(walk, step, form, message=receipts.told(walk.now), retry_at=receipts.until)
    right = False
    try:
        outcome = step.stage.submit(run, form.cleaned_data)
        page = _settle(walk, step, outcome, form)
        right = page is None and isinstance(outcome, Done)
    finally:
        conclude(receipts, right=right)
    return page or _go_on(walk)


def _settle(walk: Walk, step: Step, outcome: Outcome, form: forms.Form | None = None) -> Page | None:
    """Apply an outcome; return the page to show, or None when the step is decided and the run continues."""
    try:
        if outcome.effects and not walk.may_write:
            walk.state.held = True
            save(walk)
            return asked(walk, step)
        record(walk, step, outcome)
    except EffectLost as lost:
        if lost.final or form is None:
            return _finish(walk, "denied", _("That didn't work"), str(lost.message))
        return asked(walk, step, form, message=str(lost.message))
    except Overtaken:
        return _overtaken(walk, step)
    if isinstance(outcome, Done | Deny) and not walk.state.end:
        return None
    if isinstance(outcome, Show) and not outcome.last:
        old = None if outcome.keep else form  # the new step state may need another form
        shown = with_errors(old or step.stage.form(walk.seen_by_stage()), outcome)
        return asked(walk, step, shown, message=str(outcome.message))
    return _current(walk)


def _overtaken(walk: Walk, step: Step) -> Page:
    """Return the page that results from a concurrent request.

    That request may only have read the page between two steps of this answer, so that the run waits for a
    confirmation. Then this answer is the confirmation, and the run continues.
    """
    now = _open(walk.row.identifier, walk.client, may_write=walk.may_write)
    if now.may_write and now.state.held and now.state.at == step.id and not now.state.end:
        return _settle(now, step, step.stage.enter(now.seen_by_stage())) or _go_on(now)
    now.may_write = False
    return _current(now)


def _current(walk: Walk, **more: Any) -> Page:
    state = walk.state
    if state.end and state.end["kind"] != "last":
        return ended(walk)
    if state.at is None:
        return _go_on(walk)
    try:
        return asked(walk, step_of(walk.layout, state.at), **more)
    except BrokenFlow as broken:
        return _refuse(walk, broken)
    except Unsealable:
        return _finish(
            walk,
            "lost",
            _("This page has expired"),
            _("The server's key was changed. Please start again."),
        )


def _refuse(walk: Walk, broken: BrokenFlow) -> Page:
    run, flow = walk.row.identifier, walk.document.flow
    publish_bounded(
        "flow.broken", actor=walk.name, target=flow, topic=topic_of(run), run=run, why=str(broken)
    )
    message = _("Sign-in is misconfigured. The administrators were notified. Please try again later.")
    return _finish(walk, "refused", _("Something went wrong"), message)


def _finish(walk: Walk, kind: str, title: str, message: str) -> Page:
    walk.state.end = ending(kind, title, message)
    try:
        save(walk)
    except Overtaken:
        return look(walk.row.identifier, walk.client)
    return ended(walk)
