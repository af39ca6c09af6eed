"""Previews the pages of a step without a run, for a simulated person; nothing is written or sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django import forms
from django.utils import timezone

from flows import facts as flow_facts
from flows.documents.designations import DESIGNATIONS
from flows.documents.document import FlowDocument
from flows.documents.layout import FlowTooLarge, Layout, LayoutNode, lay_out
from flows.engine.page import RunPage, add_errors, page_texts
from flows.facts import BrokenFlow, ClaimedPerson, Facts
from flows.registry import stages
from flows.run import Run
from flows.stage import Deny, Done, Leave, Outcome, Show, Stage
from idp.accounts.simulated import PK, SimulatedPerson, simulate_person

Persona = Literal["guarded", "plain"]
_CREDENTIALS: dict[Persona, tuple[str, ...]] = {
    "guarded": ("password", "recovery_code", "totp"),
    "plain": ("password",),
}
_SECOND_FACTOR_FACTS = ("second_factor", "credential")  # facts that a person with only a password lacks
_NAME, _ADDRESS, _AGENT = "robin", "203.0.113.7", "Preview"
_DEVICE = {
    "device_address": "198.51.100.23",
    "device_age": 40,
    "device_label": "Living room TV",
    "scopes": ["openid", "profile"],
}


@dataclass(frozen=True)
class Preview:
    """What a person would see at a step.

    ``persona``: a person who has set up a second factor, or who has only a password.

    ``page`` None: no page is shown, and ``effects`` happen instead; ``message``: why it cannot be shown.
    """

    persona: Persona
    page: RunPage | None = None
    effects: tuple[Mapping[str, Any], ...] = ()
    message: str = ""


def preview_step(
    document: FlowDocument,
    sub_flows: Mapping[str, FlowDocument],
    step: str,
    *,
    after_wrong_answer: bool = False,
) -> list[Preview]:
    """Return what people see at this step, without duplicates; raise KeyError for an unknown step.

    A section or sub-flow is unknown too. ``after_wrong_answer``: after an invalid answer.
    """
    try:
        layout = lay_out(document, sub_flows)
    except FlowTooLarge as error:
        return [Preview("guarded", message=str(error))]
    if layout.by_id[step].definition.stage is None:
        raise KeyError(step)
    found: dict[Any, Preview] = {}
    for face in _CREDENTIALS:
        preview = _preview(_Scene(document, layout, face), step, wrong=after_wrong_answer)
        found.setdefault(_fingerprint(preview), preview)
    return list(found.values())


@dataclass(frozen=True)
class _Scene:
    """A simulated person at a step of a flow."""

    document: FlowDocument
    layout: Layout
    face: Persona
    now: Any = field(default_factory=timezone.now)

    def run(self, facts: Facts, kept: Mapping[str, Any], step: str) -> Run:
        """Return the run that a stage may read; no run has this identifier, so no one can post to it."""
        hints = {"assumed": {**_DEVICE, "application": "", "person": ClaimedPerson(PK, _NAME)}}
        return Run("preview", self.document.flow, facts, kept, hints, "", 0, _ADDRESS, _AGENT, self.now, step)


def _preview(scene: _Scene, name: str, *, wrong: bool) -> Preview:
    with simulate_person(
        SimulatedPerson(_NAME, name="Robin", email="robin@example.test", credentials=_CREDENTIALS[scene.face])
    ):
        try:
            step = scene.layout.step(name)
            facts = _facts(scene, step)
            return _preview_outcome(
                scene, step, facts, step.stage.enter(scene.run(facts, {}, name)), wrong=wrong
            )
        except BrokenFlow as broken:
            return Preview(scene.face, message=str(broken))
        except Exception as error:  # a stage may depend on a database row that the preview lacks
            return Preview(
                scene.face,
                message=f"This stage can't be previewed without a real run ({type(error).__name__}).",
            )


def _facts(scene: _Scene, step: LayoutNode) -> Facts:
    """Return the facts of all earlier steps, as if each had passed, and those that the step needs."""
    ids = [node.id for node in scene.layout.nodes if node.definition.stage]
    before = [scene.layout.step(each).stage for each in ids[: ids.index(step.id)]]
    needs = set(step.stage.needs)
    fact_names = {fact for stage in before for fact in stage.gives} | needs
    if scene.face == "plain":
        fact_names -= set(_SECOND_FACTOR_FACTS) - needs
    proved = flow_facts.build_session_facts(PK, _NAME, 0, scene.now, {"pwd": scene.now, "otp": scene.now})
    facts = proved.only(fact_names)
    for stage in [*before, *_stages_giving(fact_names - facts.names)]:
        missing = {name for name in stage.gives if name in fact_names and name not in facts}
        if missing:
            facts |= stage.assumed_facts(scene.run(proved | facts, {}, step.id)).only(missing)
    return facts


def _stages_giving(fact_names: set[str]) -> Iterator[Stage]:
    """Yield stages that give the facts that no earlier step gives; in a sub-flow, the enclosing flow would.

    The request comes before the consent to it.
    """
    for name in sorted(fact_names, reverse=True):
        yield from (kind() for kind in stages().values() if name in kind.gives)


def _preview_outcome(
    scene: _Scene, step: LayoutNode, facts: Facts, outcome: Outcome, *, wrong: bool
) -> Preview:
    effects = tuple(effect.describe() for effect in outcome.effects)
    match outcome:
        case Deny(message=message, title=title):
            return Preview(
                scene.face, _page(scene, step, "denied", title=str(title), message=str(message)), effects
            )
        case Leave(url=url):
            return Preview(scene.face, _page(scene, step, "leave", title="", url=url), effects)
        # the first step was not reached by a POST, so its effects wait for a button
        case Done() if effects and _is_first(scene.layout, step):
            texts = {name: str(getattr(step.stage, name)) for name in ("title", "description")}
            return Preview(
                scene.face,
                _page(scene, step, "continue", template=Stage.template, form=forms.Form(), **texts),
                effects,
            )
        case Done():
            return Preview(scene.face, effects=effects)
    run = scene.run(facts, dict(outcome.step_state), step.id)
    texts, context = page_texts(step.stage, run)
    if outcome.last:
        return Preview(scene.face, _page(scene, step, "last", context=context, **texts), effects)
    form, message = _invalid_form(step.stage, run) if wrong else (step.stage.form(run), "")
    return Preview(
        scene.face,
        _page(
            scene, step, "ask", context=context, form=form, message=message, person=run.claimed_name, **texts
        ),
    )


def _is_first(layout: Layout, step: LayoutNode) -> bool:
    return next(node.id for node in layout.nodes if node.definition.stage) == step.id


def _invalid_form(stage: Stage, run: Run) -> tuple[forms.Form, str]:
    """Return the form with the errors for an invalid answer, and the message about the whole form.

    Where any answer would be valid, the form is returned as after an empty one.
    """
    blank = stage.form(run)
    form = stage.form(
        run,
        {
            name: "?" if isinstance(each, forms.ChoiceField) else "000000"
            for name, each in blank.fields.items()
        },
    )
    if form.is_valid():
        outcome = stage.submit(run, form.cleaned_data)
        if isinstance(outcome, Show) and (outcome.errors or outcome.message):
            return add_errors(form, outcome), str(outcome.message)
    form = stage.form(run, {})
    form.is_valid()
    return form, ""


def _page(scene: _Scene, step: LayoutNode, kind: Any, **overrides: Any) -> RunPage:
    address = DESIGNATIONS[scene.document.designation].address
    # "preview" is never a valid token
    again, restart = f"/{address}" if address else "", "preview" if kind == "denied" else ""
    values = {
        "template": step.stage.template,
        "submit": str(step.stage.submit_label),
        "again": again,
        "restart": restart,
    }
    return RunPage(run="preview", kind=kind, step=step.id, stage=step.stage.kind, **{**values, **overrides})


def _fingerprint(preview: Preview) -> Any:
    """Return what distinguishes a page from others, without random values such as a new secret."""
    page = preview.page
    if page is None:
        return preview.effects and tuple(each["effect"] for each in preview.effects), preview.message
    fields = tuple(page.form.fields) if page.form else ()
    return page.kind, page.title, page.description, page.message, page.url, fields, tuple(page.context)
