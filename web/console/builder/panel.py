"""The panel of the builder: the palette, and the settings and conditions of a step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from pydantic import ValidationError

from flows.conditions.expressions import condition_variables
from flows.conditions.hours import offered_time_zones
from flows.conditions.presets import (
    PRESETS,
    Preset,
    fill_preset,
    join_conjunction,
    match_preset,
    split_conjunction,
)
from flows.conditions.slots import InvalidSlotValue, Slot
from flows.documents.document import FlowDocument
from flows.documents.layout import FlowTooLarge, condition_name, lay_out
from flows.editing.cards import Card, Place, build_cards, iter_positions
from flows.registry import stages
from flows.stage import Stage
from idp.accounts.people import group_names
from idp.foundation.listing import ListQuery
from idp.oauth.listings import APPLICATIONS
from web.console.builder.cards import format_place, stage_icon, stage_summary, stage_title, step_title
from web.console.objects.forms import SchemaForm

CEL = "cel"
_MAX_CONDITIONS = 20
_PALETTE_SECTIONS: tuple[tuple[Any, set[str]], ...] = (
    (lazy("Verify identity"), {"person", "proof", "second_factor"}),
    (lazy("Session"), {"signed_in", "signed_out"}),
    (lazy("Device and consent"), {"request", "consent"}),
    (lazy("Set up sign-in methods"), {"credential"}),
    (lazy("Prompts and outcomes"), set()),
)
TitledChoices = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class PaletteEntry:
    """One entry of the palette."""

    what: str
    name: str
    title: str
    about: str
    icon: str
    section: str


@dataclass
class SlotField:
    """A slot of a preset condition as a form field.

    ``choices``: what the tenant offers for it; empty if any text is allowed.
    """

    slot: Slot
    name: str
    value: str
    choices: TitledChoices = ()
    error: str = ""

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Return suggestions for the input, where there are too many for a list of choices."""
        return offered_time_zones() if self.slot.source == "zones" else ()


@dataclass
class ConditionRow:
    """One of the conditions that must all hold: a preset with its fields, or CEL."""

    number: int
    preset: Preset | None = None
    fields: list[SlotField] = field(default_factory=list)
    source: str = ""

    @property
    def error(self) -> bool:
        """Return whether one of its fields has an error."""
        return any(each.error for each in self.fields)

    def to_cel(self) -> str:
        """Return the condition as CEL; if a field is invalid, add the error to it and return ""."""
        if self.preset is None:
            return self.source
        try:
            return fill_preset(self.preset.name, {each.slot.name: each.value for each in self.fields})
        except InvalidSlotValue as bad:
            for each in self.fields:
                each.error = bad.message if each.slot.name == bad.slot else ""
            return ""


@dataclass
class StepPanel:
    """The form of one step, as stored or as submitted."""

    place: str
    kind: str
    title: str
    about: str
    icon: str
    id: str
    on_refusal: str
    rows: list[ConditionRow]
    form: SchemaForm | None
    sub_flow: str = ""
    lane: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def presets(self) -> list[Preset]:
        """Return the presets that can be added as a condition."""
        return list(PRESETS.values())


def build_palette(sub_flows: Mapping[str, FlowDocument], without: str) -> list[PaletteEntry]:
    """Return everything that can be added: stages, a section, and the sub-flows of the tenant.

    Stages are ordered by the facts that they give. The flow named ``without`` is omitted.
    """
    order = [str(section) for section, _facts in _PALETTE_SECTIONS]
    found = [
        PaletteEntry("stage", kind, stage_title(kind), stage_summary(kind), stage_icon(kind), _section(stage))
        for kind, stage in stages().items()
    ]
    found.sort(key=lambda entry: order.index(entry.section))
    description, shape = _("Sub-flow %(name)s, shared by several flows."), _("Structure")
    found.append(
        PaletteEntry(
            "group",
            "group",
            _("Section"),
            _("Groups steps under one condition. If one fails, the flow can skip the rest."),
            "group",
            shape,
        )
    )
    return found + [
        PaletteEntry("flow", name, sub_flow.title, description % {"name": name}, "flow", shape)
        for name, sub_flow in sub_flows.items()
        if name != without
    ]


def _section(stage: type[Stage]) -> str:
    return next(str(section) for section, facts in _PALETTE_SECTIONS if not facts or facts & stage.gives)


def stored_panel(document: FlowDocument, card: Card) -> StepPanel:
    """Return the panel of a step as it is in the document."""
    step, stage = card.step, stages().get(card.step.stage or "")
    panel = _panel(card, stage)
    sources = SlotChoices(document, card.place)
    terms = [term for term in split_conjunction(step.when or "") if term != card.lane_condition]
    panel.rows = [_row(number, term, sources) for number, term in enumerate(terms)]
    if stage and panel.form:
        try:
            panel.form.values = stage.Settings.model_validate(stage.upgrade(step.settings)).model_dump(
                mode="json"
            )
        except ValidationError as invalid:
            panel.form.values |= stage.upgrade(step.settings)
            panel.form.add_errors(invalid)
    return panel


def posted_panel(document: FlowDocument, card: Card, form: QueryDict) -> StepPanel:
    """Return the panel as submitted, with a condition added or removed if the form requests that."""
    panel = _panel(card, stages().get(card.step.stage or ""))
    panel.id, panel.on_refusal = (
        form.get("_id", panel.id).strip(),
        "continue" if form.get("_on_refusal") else "end",
    )
    sources = SlotChoices(document, card.place)
    kinds = ((number, form.get(f"_when-{number}", "")) for number in range(_MAX_CONDITIONS))
    remaining = [(number, kind) for number, kind in kinds if kind and str(number) != form.get("_less")]
    panel.rows = [
        _submitted_row(at, number, kind, form, sources) for at, (number, kind) in enumerate(remaining)
    ]
    if (
        "_more" in form
        and (requested := form.get("_preset", "")) in (CEL, *PRESETS)
        and len(panel.rows) < _MAX_CONDITIONS
    ):
        panel.rows.append(_submitted_row(len(panel.rows), -1, requested, form, sources))
    if panel.form:
        panel.form.read(form)
    return panel


def panel_edit(card: Card, panel: StepPanel) -> dict[str, Any] | None:
    """Return the edit for this panel; None if it has errors, which are added to its fields."""
    sources = [row.to_cel() for row in panel.rows]
    requested: dict[str, Any] = {
        "do": "change",
        "step": panel.place,
        "id": panel.id,
        "on_refusal": panel.on_refusal,
    }
    requested["when"] = join_conjunction([card.lane_condition, *sources])
    stage = stages().get(card.step.stage or "")
    if stage and panel.form:
        try:
            settings = stage.Settings.model_validate(panel.form.values).model_dump(mode="json")
        except ValidationError as invalid:
            panel.form.add_errors(invalid)
            return None
        defaults = stage.Settings().model_dump(mode="json")
        requested["settings"] = {name: value for name, value in settings.items() if value != defaults[name]}
    return None if any(row.error for row in panel.rows) else requested


def available_variables(document: FlowDocument, place: Place) -> list[dict[str, str]]:
    """Return the variables that a condition of this step may read, with type and meaning.

    Those of earlier steps come first.
    """
    try:
        node = next((node for node in lay_out(document, {}).nodes if node.path == _path(place)), None)
    except FlowTooLarge:
        node = None  # lint reports it
    earlier = [
        {"name": f"steps.{name}", "type": type_, "doc": _("set by an earlier step")}
        for name, type_ in sorted(node.step_variables if node else ())
    ]
    return earlier + [
        {"name": name, "type": word.type, "doc": word.doc.replace("`", "")}
        for name, word in sorted(condition_variables().items())
    ]


def _path(place: Place) -> tuple[str | int, ...]:
    return tuple(each for at in place for each in ("steps", at))


def _panel(card: Card, stage: type[Stage] | None) -> StepPanel:
    step = card.step
    form = (
        SchemaForm(stage.Settings, stage.Settings().model_dump(mode="json"))
        if stage and stage.Settings.model_fields
        else None
    )
    kind = step.stage or step.kind
    description = stage_summary(step.stage or "") if stage else ""
    panel = StepPanel(
        format_place(card.place),
        kind,
        step_title(step, {}),
        description,
        stage_icon(kind),
        step.id,
        step.on_refusal,
        [],
        form,
    )
    panel.sub_flow, panel.lane = step.flow or "", card.lane_condition
    return panel


class SlotChoices:
    """The choices for the slots of a step's conditions, each looked up on demand."""

    def __init__(self, document: FlowDocument, place: Place) -> None:
        self.earlier = [
            spot.card for spot in iter_positions(build_cards(document)) if spot.card.place < place
        ]
        self._known: dict[str, TitledChoices] = {}
        self._finders: dict[str, Callable[[], TitledChoices]] = {
            "groups": lambda: [(name, name) for name in group_names()],
            "applications": lambda: [
                (row["client_id"], row["title"] or row["name"])
                for row in APPLICATIONS.page(ListQuery(size=200)).rows
            ],
            "credentials": lambda: [
                ("password", _("Password")),
                ("totp", _("Authenticator app")),
                ("recovery_code", _("Recovery codes")),
            ],
            "steps": lambda: [(condition_name(card.step.id), card.step.id) for card in self.earlier],
            "choices": lambda: [
                (condition_name(card.step.id), card.step.id)
                for card in self.earlier
                if card.lanes and card.step.stage
            ],
            "answers": lambda: [
                answer for card in self.earlier if card.step.stage for answer in _lane_answers(card)
            ],
        }

    def of(self, slot: Slot, value: str) -> TitledChoices:
        """Return values and titles for a slot; its current value is always among them."""
        if slot.source not in self._finders:
            return ()
        if slot.source not in self._known:
            self._known[slot.source] = list(self._finders[slot.source]())
        found = self._known[slot.source]
        return found if not value or value in dict(found) else [*found, (value, value)]


def _lane_answers(card: Card) -> Iterator[tuple[str, str]]:
    for lane in card.lanes:
        if (filled := match_preset(lane.condition)) and "value" in filled.values:
            yield filled.values["value"], f"{card.step.id}: {lane.title}"


def _row(number: int, source: str, sources: SlotChoices) -> ConditionRow:
    filled = match_preset(source)
    if filled is None:
        return ConditionRow(number, source=source)
    return ConditionRow(number, filled.preset, _fields(number, filled.preset, filled.values, sources))


def _submitted_row(at: int, number: int, kind: str, form: QueryDict, sources: SlotChoices) -> ConditionRow:
    """Return one submitted condition.

    ``at``: its new number. ``number``: the one under which it was submitted, -1 for a new condition.
    """
    preset = PRESETS.get(kind)
    if preset is None:
        return ConditionRow(
            at, source=form.get(f"_when-{number}-{CEL}", "").replace("\r\n", "\n").replace("\0", "")
        )
    zone = form.get("_zone", "")  # the time zone of the browser
    defaults = {
        slot.name: zone if slot.source == "zones" and zone in offered_time_zones() else slot.default
        for slot in preset.slots
    }
    values = {name: form.get(f"_when-{number}-{name}", default) for name, default in defaults.items()}
    return ConditionRow(at, preset, _fields(at, preset, values, sources))


def _fields(number: int, preset: Preset, values: Mapping[str, str], sources: SlotChoices) -> list[SlotField]:
    return [
        SlotField(slot, f"_when-{number}-{slot.name}", values[slot.name], sources.of(slot, values[slot.name]))
        for slot in preset.slots
    ]
