"""The page of a run: one value, which is rendered as HTML and as a JSON challenge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext as _

from flows.documents.designations import CREDENTIAL_SETUP
from flows.documents.versions import live_version
from flows.engine.context import RESTART, Walk
from flows.engine.planner import Step
from flows.run import Run
from flows.stage import Show, Stage

Kind = Literal["ask", "continue", "last", "finished", "leave", "denied", "refused", "expired", "lost"]


@dataclass(frozen=True)
class Page:
    """The current page of a run.

    ``kind``: "ask"; "continue" (a POST applies effects); "last" (nothing more is asked); otherwise how the
    run ended, "leave" with ``url``. ``form`` None: nothing is asked. ``retry_at``: a budget is exhausted
    until then. ``set_up``: the label of a button for the sign-in method that the person lacks, where they may
    set it up themselves. ``restart``: the token for restarting the run's flow. ``next``: where a person who
    came for another purpose continues when the run is finished.
    """

    run: str
    kind: str
    title: str
    description: str = ""
    step: str = ""
    stage: str = ""
    template: str = ""
    submit: str = ""
    message: str = ""
    message_kind: Literal["error", "notice"] = "error"
    token: str = ""
    restart: str = ""
    set_up: str = ""
    person: str = ""
    url: str = ""
    again: str = ""
    next: str = ""
    form: forms.Form | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    retry_at: datetime | None = None


def asked(walk: Walk, step: Step, form: forms.Form | None = None, **more: Any) -> Page:
    """Return the page of a step: its form, or its result when it is the last one."""
    if walk.state.held:
        words = {name: str(getattr(step.stage, name)) for name in ("title", "description")}
        return _page(
            walk,
            step,
            "continue",
            type(step.stage),
            form=forms.Form(),
            token=walk.tokens(step.id)[0],
            **words,
            **more,
        )
    run = walk.seen_by_stage()
    words, context = worded(step.stage, run)
    if walk.state.end:
        return _page(walk, step, "last", type(step.stage), context=context, **words)
    return _page(
        walk,
        step,
        "ask",
        type(step.stage),
        form=form or step.stage.form(run),
        token=walk.tokens(step.id)[0],
        context=context,
        **words,
        **more,
    )


def worded(stage: Stage, run: Run) -> tuple[dict[str, str], dict[str, Any]]:
    """Return title and description of a step's page, and the rest of its context."""
    context = dict(stage.context(run))
    return {name: str(context.pop(name, getattr(stage, name))) for name in ("title", "description")}, context


def ended(walk: Walk) -> Page:
    """Return the page of a run that has ended.

    People set up a missing sign-in method themselves where the tenant has a flow for that.
    """
    end = walk.state.end or {}
    lacks = end.get("set_up", "")
    elsewhere = walk.document.designation != CREDENTIAL_SETUP  # otherwise the setup flow would lead to itself
    set_up = lacks if lacks and elsewhere and live_version(CREDENTIAL_SETUP) else ""
    return Page(
        run=walk.row.identifier,
        kind=end["kind"],
        title=end["title"],
        message=" ".join([end["message"], *([_("Ask an administrator.")] if lacks and not set_up else [])]),
        set_up=set_up,
        url=end.get("url", ""),
        again=str(walk.state.hints.get("again", "")),
        next=str(walk.state.hints.get("next", "")),
        restart=walk.tokens(RESTART)[0],
    )


def with_errors(form: forms.Form, shown: Show) -> forms.Form:
    """Return the form with the errors that the stage found, each at its field."""
    for name, text in shown.errors.items():
        form.add_error(name, str(text))
    return form


def _page(walk: Walk, step: Step, kind: Kind, stage: type[Stage], **members: Any) -> Page:
    return Page(
        run=walk.row.identifier,
        kind=kind,
        step=step.id,
        stage=step.stage.kind,
        template=Stage.template if kind == "continue" else stage.template,
        submit=str(stage.submit_label),
        person=walk.seen_by_stage().claimed_name,
        again=str(walk.state.hints.get("again", "")),
        next=str(walk.state.hints.get("next", "")),
        restart=walk.tokens(RESTART)[0],
        **members,
    )
