"""The page of a run: one value, which is rendered as HTML and as a JSON challenge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext as _

from flows.documents.designations import CREDENTIAL_SETUP
from flows.documents.layout import LayoutNode
from flows.documents.versions import live_version
from flows.engine.context import RESTART, RunContext
from flows.run import Run
from flows.stage import Show, Stage

PageKind = Literal["ask", "continue", "last", "finished", "leave", "denied", "refused", "expired", "lost"]


@dataclass(frozen=True)
class RunPage:
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


def step_page(context: RunContext, step: LayoutNode, form: forms.Form | None = None, **extra: Any) -> RunPage:
    """Return the page of a step: its form, or its result when it is the last one."""
    if context.state.held:
        texts = {name: str(getattr(step.stage, name)) for name in ("title", "description")}
        return _page(
            context,
            step,
            "continue",
            type(step.stage),
            form=forms.Form(),
            token=context.form_tokens(step.id)[0],
            **texts,
            **extra,
        )
    run = context.as_run()
    texts, page_context = page_texts(step.stage, run)
    if context.state.end:
        return _page(context, step, "last", type(step.stage), context=page_context, **texts)
    return _page(
        context,
        step,
        "ask",
        type(step.stage),
        form=form or step.stage.form(run),
        token=context.form_tokens(step.id)[0],
        context=page_context,
        **texts,
        **extra,
    )


def page_texts(stage: Stage, run: Run) -> tuple[dict[str, str], dict[str, Any]]:
    """Return title and description of a step's page, and the rest of its context."""
    page_context = dict(stage.context(run))
    names = ("title", "description")
    return {name: str(page_context.pop(name, getattr(stage, name))) for name in names}, page_context


def end_page(context: RunContext) -> RunPage:
    """Return the page of a run that has ended.

    People set up a missing sign-in method themselves where the tenant has a flow for that.
    """
    end = context.state.end or {}
    missing_label = end.get("set_up", "")
    leads_elsewhere = context.document.designation != CREDENTIAL_SETUP  # not to itself
    set_up = missing_label if missing_label and leads_elsewhere and live_version(CREDENTIAL_SETUP) else ""
    return RunPage(
        run=context.row.identifier,
        kind=end["kind"],
        title=end["title"],
        message=" ".join(
            [end["message"], *([_("Ask an administrator.")] if missing_label and not set_up else [])]
        ),
        set_up=set_up,
        url=end.get("url", ""),
        again=str(context.state.hints.get("again", "")),
        next=str(context.state.hints.get("next", "")),
        restart=context.form_tokens(RESTART)[0],
    )


def add_errors(form: forms.Form, outcome: Show) -> forms.Form:
    """Return the form with the errors that the stage found, each at its field."""
    for name, text in outcome.errors.items():
        form.add_error(name, str(text))
    return form


def _page(
    run_context: RunContext, step: LayoutNode, kind: PageKind, stage: type[Stage], **members: Any
) -> RunPage:
    return RunPage(
        run=run_context.row.identifier,
        kind=kind,
        step=step.id,
        stage=step.stage.kind,
        template=Stage.template if kind == "continue" else stage.template,
        submit=str(stage.submit_label),
        person=run_context.as_run().claimed_name,
        again=str(run_context.state.hints.get("again", "")),
        next=str(run_context.state.hints.get("next", "")),
        restart=run_context.form_tokens(RESTART)[0],
        **members,
    )
