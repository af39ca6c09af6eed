"""Edits of a flow's document: each is a small value, applied by a pure function to a new document."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from flows.documents.document import FlowDocument
from flows.documents.versions import parse_flow
from flows.editing.cards import (
    CannotEdit,
    Card,
    Place,
    build_cards,
    change_lane,
    find_position,
    resolve_move,
)
from flows.editing.step_ids import ids_of, iter_steps, rename_references, unused_id
from flows.registry import stages

Json = dict[str, Any]


def _parse_place(value: Any) -> Any:
    """Return the indices in ``2.0``, the form's notation; other types are returned unchanged."""
    if not isinstance(value, str):
        return value
    parts = value.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        raise ValueError("write a position like 2.0")
    return tuple(int(part) for part in parts)


At = Annotated[Place, BeforeValidator(_parse_place), Field(min_length=1, max_length=8)]


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AddStep(_Edit):
    """Adds a new step before ``at``.

    ``name``: the kind of stage, the sub-flow, or the name of the section; ``lane``: the lane whose condition
    it gets.
    """

    do: Literal["add"] = "add"
    what: Literal["stage", "group", "flow"]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    at: At
    lane: str = ""


class MoveStep(_Edit):
    """Moves a step, with all that it covers, before ``at``; both places are those before the move.

    ``lane``: the lane in which it lies afterwards.
    """

    do: Literal["move"] = "move"
    step: At
    at: At
    lane: str = ""


class NudgeStep(_Edit):
    """Moves a step by one place: past its neighbor, into the lane next to it, or out of its own lane."""

    do: Literal["nudge"] = "nudge"
    step: At
    where: Literal["up", "down", "in", "out"]


class WrapStep(_Edit):
    """Wraps a step in a new section."""

    do: Literal["wrap"] = "wrap"
    step: At


class RemoveStep(_Edit):
    """Removes a step with all that is in it."""

    do: Literal["remove"] = "remove"
    step: At


class DuplicateStep(_Edit):
    """Inserts a copy with new IDs after the step."""

    do: Literal["duplicate"] = "duplicate"
    step: At


class ChangeStep(_Edit):
    """Changes a step's ID, condition, refusal behavior or settings; None leaves a value unchanged.

    A new ID is also applied to conditions and tests.
    """

    do: Literal["change"] = "change"
    step: At
    id: str | None = None
    when: str | None = None
    on_refusal: str | None = None
    settings: Json | None = None


class ChangeHeader(_Edit):
    """Changes the title of the flow, and whether it is the tenant's default for its purpose."""

    do: Literal["head"] = "head"
    title: str
    default: bool = True


class ReplaceDocument(_Edit):
    """Replaces the whole document: on undo or redo, or after manual editing.

    ``said``: the summary of the change.
    """

    do: Literal["replace"] = "replace"
    document: Json
    said: Annotated[str, Field(max_length=300)] = ""


Edit = Annotated[
    AddStep
    | MoveStep
    | NudgeStep
    | WrapStep
    | RemoveStep
    | DuplicateStep
    | ChangeStep
    | ChangeHeader
    | ReplaceDocument,
    Field(discriminator="do"),
]
EDIT_ADAPTER: TypeAdapter[Any] = TypeAdapter(Edit)


@dataclass(frozen=True)
class EditResult:
    """The new document, the current ``place`` of the edited step, and a ``summary`` of the change."""

    document: FlowDocument
    place: Place | None
    summary: str


def apply_edit(document: FlowDocument, edit: Any) -> EditResult:
    """Return the document after this edit.

    Raise CannotEdit where the edit is impossible, InvalidFlow where the result is no valid document.
    """
    return _EDITS[type(edit)](document, edit)


def _add(document: FlowDocument, command: AddStep) -> EditResult:
    if command.what == "stage" and command.name not in stages():
        raise CannotEdit(_("Unknown stage %(name)s.") % {"name": command.name[:50]})
    name = unused_id(command.name, ids_of(document.steps))
    new_step: Json = {
        command.what: command.name,
        "id": name,
        **({"when": command.lane} if command.lane else {}),
    }
    if command.what == "group":
        new_step |= {"group": name}
    data = _to_mutable_json(document)
    _insert(data, command.at, [new_step])
    return _edited(data, new_step, _("%(name)s added"), with_place=True)


def _move(document: FlowDocument, command: MoveStep) -> EditResult:
    card = _card_at(document, command.step)
    place, size = card.place, card.span
    covered = [(*place[:-1], place[-1] + offset) for offset in range(size)]
    if any(command.at[: len(each)] == each and len(command.at) > len(each) for each in covered):
        raise CannotEdit(_("A step can't be moved into itself."))
    data = _to_mutable_json(document)
    steps = _steps_at(data, place[:-1])
    block = steps[place[-1] : place[-1] + size]
    block[0]["when"] = change_lane(block[0].get("when"), card.lane_condition, command.lane)
    gaps: list[Json] = [{} for _each in block]
    # placeholders, so that ``at`` stays valid until the block is inserted
    steps[place[-1] : place[-1] + size] = gaps
    _insert(data, command.at, block)
    steps[:] = [each for each in steps if not any(each is gap for gap in gaps)]
    return _edited(data, block[0], _("%(name)s moved"), with_place=True)


def _nudge(document: FlowDocument, command: NudgeStep) -> EditResult:
    position = find_position(build_cards(document), command.step)
    if position is None:
        raise CannotEdit(_("This step no longer exists."))
    at, lane = resolve_move(position, command.where)
    return _move(document, MoveStep(step=command.step, at=at, lane=lane))


def _wrap(document: FlowDocument, command: WrapStep) -> EditResult:
    card = _card_at(document, command.step)
    data = _to_mutable_json(document)
    steps, at = _steps_at(data, card.place[:-1]), card.place[-1]
    block = steps[at : at + card.span]
    group: Json = {"group": unused_id("group", ids_of(document.steps)), "steps": block}
    if card.lane_condition:  # the section replaces the step in its lane
        group["when"], block[0]["when"] = (
            card.lane_condition,
            change_lane(block[0].get("when"), card.lane_condition, ""),
        )
    steps[at : at + card.span] = [group]
    return _edited(data, block[0], _("%(name)s wrapped in section"))


def _remove(document: FlowDocument, command: RemoveStep) -> EditResult:
    name = _card_at(document, command.step).step.id
    data = _to_mutable_json(document)
    steps, at = _steps_at(data, command.step[:-1]), command.step[-1]
    del steps[at]
    near = (*command.step[:-1], min(at, len(steps) - 1)) if steps else command.step[:-1] or None
    return EditResult(parse_flow(data), near, _("%(name)s removed") % {"name": name})


def _duplicate(document: FlowDocument, command: DuplicateStep) -> EditResult:
    _card_at(document, command.step)
    data = _to_mutable_json(document)
    steps, at = _steps_at(data, command.step[:-1]), command.step[-1]
    copy = deepcopy(steps[at])
    taken = ids_of(document.steps)
    for each in iter_steps(copy):
        each["id"] = unused_id(str(each["id"]), taken)
        taken.add(each["id"])
        if each.get("group"):
            each["group"] = each["id"][:50]
    steps.insert(at + 1, copy)
    return _edited(data, copy, _("%(name)s added"), with_place=True)


def _change(document: FlowDocument, command: ChangeStep) -> EditResult:
    before = _card_at(document, command.step).step
    data = _to_mutable_json(document)
    step = _steps_at(data, command.step[:-1])[command.step[-1]]
    if command.id is not None and command.id != before.id:
        rename_references(data, before.id, command.id)
        step["id"] = command.id
        if before.group == before.id:
            step["group"] = command.id
    if command.when is not None:
        step["when"] = command.when.strip() or None
    if command.on_refusal is not None:
        step["on_refusal"] = command.on_refusal
    if command.settings is not None:
        step["settings"] = command.settings
    return EditResult(parse_flow(data), command.step, _("%(name)s changed") % {"name": step["id"]})


def _change_header(document: FlowDocument, command: ChangeHeader) -> EditResult:
    return EditResult(
        parse_flow({**_to_mutable_json(document), "title": command.title, "default": command.default}),
        None,
        _("Flow changed"),
    )


def _replace(document: FlowDocument, command: ReplaceDocument) -> EditResult:
    """Replace the document but keep its name and purpose, because runs and applications rely on both."""
    fixed = {"flow": document.flow, "for": document.designation}
    return EditResult(parse_flow({**command.document, **fixed}), None, command.said or _("Flow changed"))


_EDITS: dict[type, Callable[[FlowDocument, Any], EditResult]] = {
    AddStep: _add,
    MoveStep: _move,
    NudgeStep: _nudge,
    WrapStep: _wrap,
    RemoveStep: _remove,
    DuplicateStep: _duplicate,
    ChangeStep: _change,
    ChangeHeader: _change_header,
    ReplaceDocument: _replace,
}


def _edited(data: Json, step: Json, message: str, *, with_place: bool = False) -> EditResult:
    """Return the result with the place of the edited step in the new document."""
    at = _place_of(data["steps"], step)
    document = parse_flow(data)
    text = message % {"name": step.get("id") or step.get("group")}
    return EditResult(document, at, f"{text} {_describe_position(document, at)}" if with_place else text)


def _describe_position(document: FlowDocument, at: Place) -> str:
    """Return a phrase for where a card is."""
    position = find_position(build_cards(document), at)
    if position is None:
        return ""
    if position.index + 1 < len(position.siblings):
        phrase = _("before %(name)s") % {"name": position.siblings[position.index + 1].step.id}
    elif position.index:
        phrase = _("after %(name)s") % {"name": position.siblings[position.index - 1].step.id}
    else:
        phrase = _("as the only step") if position.parent is None else ""
    if position.parent is None:
        return phrase
    title = position.parent.lanes[position.lane_index].title
    lane = {"lane": f"{position.parent.step.id}: {title}" if title else position.parent.step.id}
    return f"{phrase} {_('in %(lane)s') % lane}" if phrase else _("into %(lane)s") % lane


def _place_of(steps: list[Json], target: Json, around: Place = ()) -> Place:
    for at, each in enumerate(steps):
        if each is target:
            return (*around, at)
        if found := _place_of(each.get("steps", []), target, (*around, at)):
            return found
    return ()


def _card_at(document: FlowDocument, place: Place) -> Card:
    found = find_position(build_cards(document), place)
    if found is None:
        raise CannotEdit(_("This step no longer exists."))
    return found.card


def _to_mutable_json(document: FlowDocument) -> Json:
    """Return the document as mutable JSON, every step with its ID."""
    return document.model_dump(mode="json", by_alias=True)


def _steps_at(data: Json, place: Place) -> list[Json]:
    """Return the steps of the section at this place, of the flow for (); raise CannotEdit."""
    steps: list[Json] = data["steps"]
    for at in place:
        if at >= len(steps) or steps[at].get("group") is None:
            raise CannotEdit(_("This position no longer exists."))
        steps = steps[at].setdefault("steps", [])
    return steps


def _insert(data: Json, at: Place, block: list[Json]) -> None:
    steps = _steps_at(data, at[:-1])
    if at[-1] > len(steps):
        raise CannotEdit(_("This position no longer exists."))
    steps[at[-1] : at[-1]] = block
