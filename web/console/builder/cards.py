"""The cards of the flow builder: each step with its conditions, findings and buttons."""

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from pydantic import ValidationError

from flows.conditions.presets import describe_condition, split_conjunction
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.lint import Finding
from flows.editing.cards import Card, Place, build_cards, iter_positions
from flows.registry import stages

_STAGES_WITH_ICON = (
    "choice consent deny deny_device device_code finish identification login logout password prompt "
    "reauthenticate recovery_code"
)
ICONS = frozenset(
    [*_STAGES_WITH_ICON.split(), "recovery_code_setup", "redirect", "totp", "totp_setup", "group", "flow"]
)
_ACRONYMS = {"totp": "TOTP", "webauthn": "WebAuthn", "qr": "QR", "sms": "SMS", "ldap": "LDAP", "id": "ID"}
_MAX_LENGTH = 48


@dataclass(frozen=True)
class Button:
    """One action of a card.

    ``edit``: the edit that it posts, as JSON. ``key``: the keyboard shortcut.
    """

    title: str
    edit: str
    key: str = ""
    danger: bool = False


@dataclass(frozen=True)
class LaneView:
    """A lane for the template.

    ``to``: the place after its last card.
    """

    title: str
    lane: str
    cards: list["CardView"]
    to: str


@dataclass(frozen=True)
class CardView:
    """A card for the template.

    ``conditions``: each as text, and whether that is CEL. ``continues_at``: the step that follows a failure.
    ``end``: the place after its lanes.
    """

    place: str
    id: str
    kind: str
    title: str
    icon: str
    summary: str
    lane: str
    conditions: list[tuple[str, bool]]
    continues_at: str
    sub_flow: str
    end: str
    findings: list[Finding] = field(default_factory=list)
    lanes: list[LaneView] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)

    @property
    def level(self) -> str:
        """Return the most severe level of its findings: ``error``, ``warning`` or ""."""
        levels = {finding.level for finding in self.findings}
        if "error" in levels:
            return "error"
        return "warning" if levels else ""


def format_place(place: Place) -> str:
    """Return a place as text for forms and URLs, such as ``2.0``."""
    return ".".join(map(str, place))


def place_from_path(path: Sequence[str | int]) -> Place:
    """Return the place of the step in a document path: ``("steps", 2, "steps", 0, "when")`` to ``(2, 0)``."""
    place: list[int] = []
    for name, at in zip(path[::2], path[1::2], strict=False):
        if name != "steps" or not isinstance(at, int):
            break
        place.append(at)
    return tuple(place)


def build_card_views(
    document: FlowDocument, findings: Iterable[Finding], titles: Mapping[str, str]
) -> list[CardView]:
    """Return the cards from top to bottom.

    ``titles``: of the sub-flows, by name.
    """
    by_place: dict[Place, list[Finding]] = {}
    for finding in findings:
        by_place.setdefault(place_from_path(finding.path), []).append(finding)
    next_steps = _next_steps(document)
    return [_card_view(card, by_place, titles, next_steps) for card in build_cards(document)]


def stage_title(kind: str) -> str:
    """Return the name of a kind of stage, as in the palette, on its card, in dry runs, previews and runs."""
    words = " ".join(_ACRONYMS.get(word, word) for word in kind.replace("-", "_").split("_"))
    return words[:1].upper() + words[1:]


def step_title(step: StepDocument, titles: Mapping[str, str]) -> str:
    """Return the title of a step; for a sub-flow its own, or else its name."""
    if step.group is not None:
        return _("Section")
    if step.flow is not None:
        return titles.get(step.flow, step.flow)
    return stage_title(step.stage or "")


def stage_summary(kind: str) -> str:
    """Return the first paragraph of a stage's docstring."""
    text = inspect.getdoc(stages()[kind]) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("``", "").replace("`", "")


def stage_icon(kind: str) -> str:
    """Return the name of the symbol of a kind; stages of other packages share one."""
    return kind if kind in ICONS else "stage"


def _next_steps(document: FlowDocument) -> dict[Place, str]:
    """Return the ID of the step at which the flow continues after a failure of each card.

    That is the next card beside it, or else the one after the card around it; "" at the end of the flow.
    """
    found: dict[Place, str] = {}
    for spot in iter_positions(build_cards(document)):
        around = found.get(spot.parent.place, "") if spot.parent else ""
        last = spot.index + 1 == len(spot.siblings)
        found[spot.card.place] = around if last else spot.siblings[spot.index + 1].step.id
    return found


def _card_view(
    card: Card,
    by_place: Mapping[Place, list[Finding]],
    titles: Mapping[str, str],
    next_steps: Mapping[Place, str],
) -> CardView:
    step = card.step
    kind = step.stage or step.kind
    terms = [term for term in split_conjunction(step.when or "") if term != card.lane_condition]
    lanes = [
        LaneView(
            str(lane.title),
            lane.condition,
            [_card_view(each, by_place, titles, next_steps) for each in lane.cards],
            format_place(lane.end),
        )
        for lane in card.lanes
    ]
    return CardView(
        place=format_place(card.place),
        id=step.id,
        kind=kind,
        title=step_title(step, titles),
        icon=stage_icon(kind),
        summary=_summary(step),
        lane=card.lane_condition,
        conditions=[text for term in terms for text in describe_condition(term)],
        continues_at=(next_steps[card.place] or _("the end")) if step.on_refusal == "continue" else "",
        sub_flow=step.flow or "",
        end=format_place(card.end),
        findings=by_place.get(card.place, []),
        lanes=lanes,
        buttons=_buttons(format_place(card.place)),
    )


def _summary(step: StepDocument) -> str:
    """Return the changed settings in one line; if there are none, what the step does."""
    stage = stages().get(step.stage or "")
    if step.flow is not None:
        return _("Runs sub-flow %(name)s.") % {"name": step.flow}
    if step.group is not None:
        return ""
    if stage is None:
        return _("This stage isn't installed.")
    try:
        settings = stage.Settings.model_validate(stage.upgrade(step.settings))
    except ValidationError:
        return _("Invalid settings.")
    changed = settings.model_dump(mode="json", exclude_defaults=True)
    return " · ".join(
        f"{name.replace('_', ' ')}: {_short(value)}" for name, value in changed.items()
    ) or stage_summary(stage.kind)


def _short(value: Any) -> str:
    """Return the value of a setting as short text."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return str(next((value[key] for key in ("title", "label", "name", "value") if value.get(key)), "…"))
    if isinstance(value, list):
        return ", ".join(_short(each) for each in value)
    text = " ".join(str(value).split())
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"


def _buttons(place: str) -> list[Button]:
    def edit(do: str, **more: str) -> str:
        return json.dumps({"do": do, "step": place, **more})

    return [
        Button(_("Move up"), edit("nudge", where="up"), "Alt+↑"),
        Button(_("Move down"), edit("nudge", where="down"), "Alt+↓"),
        Button(_("Move into branch"), edit("nudge", where="in"), "Alt+→"),
        Button(_("Move out of branch"), edit("nudge", where="out"), "Alt+←"),
        Button(_("Wrap in section"), edit("wrap"), "w"),
        Button(_("Duplicate"), edit("duplicate"), "d"),
        Button(_("Remove"), edit("remove"), "Del", danger=True),
    ]
