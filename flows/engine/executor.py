"""Advances runs: the single entry point for a browser's page and a JSON client's answer.

The loop is short: enter each undecided step, apply its effects, continue. Everything that a stage could
forget is enforced here: who may access the run, its expiry, the token of the form, the living session, the
needs, the budgets, and the one transaction with its compare-and-set. Stages are called outside of the
transaction, so that hashing a password never holds a lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from flows.documents.layout import LayoutNode
from flows.engine.context import (
    RunConflict,
    RunContext,
    make_end,
    topic_of,
)
from flows.engine.page import RunPage, add_errors, end_page, step_page
from flows.engine.planner import next_step
from flows.engine.recording import record_outcome
from flows.facts import BrokenFlow
from flows.models import Run as RunRow
from flows.run import Client, State
from flows.stage import Deny, Done, Outcome, Show
from idp.accounts import sessions
from idp.accounts.models import Session
from idp.events.bus import publish_bounded, publish_once
from idp.foundation.effects import EffectConflict
from idp.foundation.errors import NotFound
from idp.foundation.sealing import Unsealable, constant_time_equal, digest
from idp.ratelimit.budgets import Exhausted, reserve, settle

_A_MINUTE = timedelta(minutes=1)


class NoSuchRun(NotFound):
    """There is no such run, or it belongs to another browser: the two look the same."""

    code = "no_such_run"


@dataclass(frozen=True)
class Answer:
    """A submitted form: the ID of its step, its token, and the raw fields."""

    step: str
    token: str
    fields: Mapping[str, Any]


def get_page(identifier: str, client: Client) -> RunPage:
    """Return the run's current page; raise NoSuchRun.

    Reading it applies no effect, however often it is done.
    """
    return _current_page(load_context(identifier, client, may_write=False))


def submit_answer(identifier: str, client: Client, answer: Answer) -> RunPage:
    """Submit an answer to the current step and return the next page; raise NoSuchRun.

    An answer to another step, or a duplicate, returns the current page again.
    """
    context = load_context(identifier, client, may_write=True)
    if context.state.end:
        return _current_page(context)
    if not any(constant_time_equal(answer.token, expected) for expected in context.form_tokens(answer.step)):
        # also where a crash left the run between two steps, because no page asked to continue
        context.may_write = False
        return _current_page(
            context, message=_("This page was out of date. Please try again."), message_kind="notice"
        )
    if answer.step != context.state.at:
        return _current_page(context)
    try:
        return _submit(context, context.layout.step(answer.step), answer.fields)
    except BrokenFlow as broken:
        return _end_broken(context, broken)


def session_of(identifier: str, nonce: str) -> Session | None:
    """Return the living session that a run started, for a client that cannot store it elsewhere."""
    row = RunRow.objects.filter(identifier=identifier, nonce_hash=digest(nonce)).first()
    return sessions.find_by_id(row.session_id) if row else None


def load_context(identifier: str, client: Client, *, may_write: bool) -> RunContext:
    """Return the context of this client's run; raise NoSuchRun.

    A run that has expired, or whose session has ended, ends here.
    """
    row = (
        RunRow.objects.select_related("version__flow")
        .filter(identifier=identifier, nonce_hash=digest(client.nonce))
        .first()
    )
    if row is None:
        raise NoSuchRun
    context = RunContext(row, State.load(row.state), client, may_write, timezone.now())
    has_ended = context.state.end and context.state.end["kind"] != "last"
    if not has_ended and row.expires_at <= context.now:
        title, message = (
            _("This took too long"),
            _("This sign-in timed out for your security. Please start again."),
        )
        if context.state.end:  # it ended in time and is counted as finished
            context.state.end = make_end("expired", title, message)
        else:
            end_run(context, "expired", title, message)
    elif not context.state.end and not context.is_session_valid():
        _end_without_session(context)
    return context


def _end_without_session(context: RunContext) -> None:
    """End the run whose session has ended.

    While the session is alive, a client without it only sees the page of an ended run. Its request may be the
    second click of a sign-in, sent before the cookie arrived, and the first one's run continues.
    """
    title, message = (
        _("You were signed out"),
        _("Your session expired, or someone else signed in here. Please start again."),
    )
    if "signed_in" not in context.state.facts:
        message = _("Your password or second factor was changed in the meantime. Please start again.")
        end_run(context, "lost", _("This request has expired"), message)
    elif sessions.find_by_id(context.state.facts.signed_in.session):
        context.state.end = make_end("lost", title, message)
    else:
        end_run(context, "lost", title, message)


def _submit(context: RunContext, step: LayoutNode, fields: Mapping[str, Any]) -> RunPage:
    if context.state.held:
        context.state.answered = True
        return _apply(context, step, step.stage.enter(context.as_run())) or advance(context)
    run = context.as_run()
    form = step.stage.form(run, fields)
    if not form.is_valid():
        return step_page(context, step, form)
    context.state.answered = True
    receipts = reserve(step.stage.attempts(run, form.cleaned_data))
    if isinstance(receipts, Exhausted):
        data: dict[str, Any] = {
            "budget": receipts.budget.name,
            "run": run.identifier,
            "flow": run.flow,
            "stage": step.stage.kind,
        }
        publish_once(
            "flow.throttled",
            _A_MINUTE,
            actor=context.event_actor,
            target=step.id,
            topic=topic_of(run.identifier),
            **data,
        )
        return step_page(context, step, form, message=receipts.message(context.now), retry_at=receipts.until)
    correct = False
    try:
        outcome = step.stage.submit(run, form.cleaned_data)
        page = _apply(context, step, outcome, form)
        correct = page is None and isinstance(outcome, Done)
    finally:
        settle(receipts, succeeded=correct)
    return page or advance(context)


def _apply(
    context: RunContext, step: LayoutNode, outcome: Outcome, form: forms.Form | None = None
) -> RunPage | None:
    """Apply an outcome; return the page to show, or None when the step is decided and the run continues."""
    try:
        if outcome.effects and not context.may_write:
            context.state.held = True
            context.save()
            return step_page(context, step)
        record_outcome(context, step, outcome)
    except EffectConflict as lost:
        if lost.final or form is None:
            return end_run(context, "denied", _("That didn't work"), str(lost.message))
        return step_page(context, step, form, message=str(lost.message))
    except RunConflict:
        return _resolve_conflict(context, step)
    if isinstance(outcome, Done | Deny) and not context.state.end:
        return None
    if isinstance(outcome, Show) and not outcome.last:
        previous_form = None if outcome.step_state else form  # the new step state may need another form
        bound_form = add_errors(previous_form or step.stage.form(context.as_run()), outcome)
        return step_page(context, step, bound_form, message=str(outcome.message))
    return _current_page(context)


def _resolve_conflict(context: RunContext, step: LayoutNode) -> RunPage:
    """Return the page that results from a concurrent request.

    That request may only have read the page between two steps of this answer, so that the run waits for a
    confirmation. Then this answer is the confirmation, and the run continues.
    """
    current = load_context(context.row.identifier, context.client, may_write=context.may_write)
    if current.may_write and current.state.held and current.state.at == step.id and not current.state.end:
        return _apply(current, step, step.stage.enter(current.as_run())) or advance(current)
    current.may_write = False
    return _current_page(current)


def advance(context: RunContext) -> RunPage:
    """Enter step after step until one shows a page or the run ends, and return that page."""
    try:
        while step := next_step(context.layout, context.state, context.evaluation_context):
            context.state.ask(step.id, context.elapsed_ms)
            if page := _apply(context, step, step.stage.enter(context.as_run())):
                return page
    except BrokenFlow as broken:
        return _end_broken(context, broken)
    return end_run(context, "finished", _("Done"), "")


def _current_page(context: RunContext, **more: Any) -> RunPage:
    state = context.state
    if state.end and state.end["kind"] != "last":
        return end_page(context)
    if state.at is None:
        return advance(context)
    try:
        return step_page(context, context.layout.step(state.at), **more)
    except BrokenFlow as broken:
        return _end_broken(context, broken)
    except Unsealable:
        return end_run(
            context,
            "lost",
            _("This page has expired"),
            _("The server's key was changed. Please start again."),
        )


def _end_broken(context: RunContext, broken: BrokenFlow) -> RunPage:
    run, flow = context.row.identifier, context.document.flow
    publish_bounded(
        "flow.broken", actor=context.event_actor, target=flow, topic=topic_of(run), run=run, why=str(broken)
    )
    message = _("Sign-in is misconfigured. The administrators were notified. Please try again later.")
    return end_run(context, "refused", _("Something went wrong"), message)


def end_run(context: RunContext, kind: str, title: str, message: str) -> RunPage:
    """End the run and return its last page; where another request was faster, that request's page."""
    context.state.end = make_end(kind, title, message)
    try:
        context.save()
    except RunConflict:
        return get_page(context.row.identifier, context.client)
    return end_page(context)
