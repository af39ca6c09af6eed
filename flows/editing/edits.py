"""Edits of a flow's document: each is a small value, applied by a pure function to a new document."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from flows.conditions.expressions import LITERAL
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.layout import symbol
from flows.documents.versions import parse
from flows.editing.drawing import CannotEdit, Card, Place, draw, in_lane, spot, way
from flows.registry import stages

_REFERENCE = re.compile(r"\bsteps\.([A-Za-z0-9_]+)")
Json = dict[str, Any]


def _indices(value: Any) -> Any:
    """Return the indices in ``2.0``, the form's notation; other types are returned unchanged."""
    if not isinstance(value, str):
        return value
    parts = value.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        raise ValueError("write a position like 2.0")
    return tuple(int(part) for part in parts)


At = Annotated[Place, BeforeValidator(_indices), Field(min_length=1, max_length=8)]


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Add(_Edit):
    """Adds a new step before ``at``.

    ``name``: the kind of stage, the sub-flow, or the name of the section; ``lane``: the lane whose condition
    it gets.
    """

    do: Literal["add"] = "add"
    what: Literal["stage", "group", "flow"]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    at: At
    lane: str = ""


class Move(_Edit):
    """Moves a step, with all that it covers, before ``at``; both places are those before the move.

    ``lane``: the lane in which it lies afterwards.
    """

    do: Literal["move"] = "move"
    step: At
    at: At
    lane: str = ""


class Nudge(_Edit):
    """Moves a step by one place: past its neighbor, into the lane next to it, or out of its own lane."""

    do: Literal["nudge"] = "nudge"
    step: At
    where: Literal["up", "down", "in", "out"]


class Wrap(_Edit):
    """Wraps a step in a new section."""

    do: Literal["wrap"] = "wrap"
    step: At


class Remove(_Edit):
    """Removes a step with all that is in it."""

    do: Literal["remove"] = "remove"
    step: At


class Duplicate(_Edit):
    """Inserts a copy with new IDs after the step."""

    do: Literal["duplicate"] = "duplicate"
    step: At


class Change(_Edit):
    """Changes a step's ID, condition, refusal behavior or settings; None leaves a value unchanged.

    A new ID is also applied to conditions and tests.
    """

    do: Literal["change"] = "change"
    step: At
    id: str | None = None
    when: str | None = None
    on_refusal: str | None = None
    settings: Json | None = None


class Head(_Edit):
    """Changes the title of the flow, and whether it is the tenant's default for its purpose."""

    do: Literal["head"] = "head"
    title: str
    default: bool = True


class Replace(_Edit):
    """Replaces the whole document: on undo or redo, or after manual editing.

    ``said``: the summary of the change.
    """

    do: Literal["replace"] = "replace"
    document: Json
    said: Annotated[str, Field(max_length=300)] = ""


Edit = Annotated[
    Add | Move | Nudge | Wrap | Remove | Duplicate | Change | Head | Replace, Field(discriminator="do")
]
EDIT: TypeAdapter[Any] = TypeAdapter(Edit)


@dataclass(frozen=True)
class Edited:
    """The new document; ``at``: the current place of the edited step; ``said``: a summary of the change."""

    document: FlowDocument
    at: Place | None
    said: str


def edit(document: FlowDocument, wanted: Any) -> Edited:
    """Return the document after this edit.

    Raise CannotEdit where the edit is impossible, RefusedFlow where the result is no valid document.
    """
    return _EDITS[type(wanted)](document, wanted)


def _add(document: FlowDocument, wanted: Add) -> Edited:
    if wanted.what == "stage" and wanted.name not in stages():
        raise CannotEdit(_("Unknown stage %(name)s.") % {"name": wanted.name[:50]})
    name = _free(wanted.name, _ids(document.steps))
    made: Json = {wanted.what: wanted.name, "id": name, **({"when": wanted.lane} if wanted.lane else {})}
    if wanted.what == "group":
        made |= {"group": name}
    drawn = _open(document)
    _insert(drawn, wanted.at, [made])
    return _done(drawn, made, _("%(name)s added"), with_place=True)


def _move(document: FlowDocument, wanted: Move) -> Edited:
    card = _card(document, wanted.step)
    place, size = card.place, card.span
    covered = [(*place[:-1], place[-1] + offset) for offset in range(size)]
    if any(wanted.at[: len(each)] == each and len(wanted.at) > len(each) for each in covered):
        raise CannotEdit(_("A step can't be moved into itself."))
    drawn = _open(document)
    steps = _list_at(drawn, place[:-1])
    block = steps[place[-1] : place[-1] + size]
    block[0]["when"] = in_lane(block[0].get("when"), card.lane, wanted.lane)
    gaps: list[Json] = [{} for _each in block]
    # placeholders, so that ``at`` stays valid until the block is inserted
    steps[place[-1] : place[-1] + size] = gaps
    _insert(drawn, wanted.at, block)
    steps[:] = [each for each in steps if not any(each is gap for gap in gaps)]
    return _done(drawn, block[0], _("%(name)s moved"), with_place=True)


def _nudge(document: FlowDocument, wanted: Nudge) -> Edited:
    found = spot(draw(document), wanted.step)
    if found is None:
        raise CannotEdit(_("This step no longer exists."))
    at, lane = way(found, wanted.where)
    return _move(document, Move(step=wanted.step, at=at, lane=lane))


def _wrap(document: FlowDocument, wanted: Wrap) -> Edited:
    card = _card(document, wanted.step)
    drawn = _open(document)
    steps, at = _list_at(drawn, card.place[:-1]), card.place[-1]
    block = steps[at : at + card.span]
    group: Json = {"group": _free("group", _ids(document.steps)), "steps": block}
    if card.lane:  # the section replaces the step in its lane
        group["when"], block[0]["when"] = card.lane, in_lane(block[0].get("when"), card.lane, "")
    steps[at : at + card.span] = [group]
    return _done(drawn, block[0], _("%(name)s wrapped in section"))


def _remove(document: FlowDocument, wanted: Remove) -> Edited:
    name = _card(document, wanted.step).step.id
    drawn = _open(document)
    steps, at = _list_at(drawn, wanted.step[:-1]), wanted.step[-1]
    del steps[at]
    near = (*wanted.step[:-1], min(at, len(steps) - 1)) if steps else wanted.step[:-1] or None
    return Edited(parse(drawn), near, _("%(name)s removed") % {"name": name})


def _duplicate(document: FlowDocument, wanted: Duplicate) -> Edited:
    _card(document, wanted.step)
    drawn = _open(document)
    steps, at = _list_at(drawn, wanted.step[:-1]), wanted.step[-1]
    made = deepcopy(steps[at])
    taken = _ids(document.steps)
    for each in _within(made):
        each["id"] = _free(str(each["id"]), taken)
        taken.add(each["id"])
        if each.get("group"):
            each["group"] = each["id"][:50]
    steps.insert(at + 1, made)
    return _done(drawn, made, _("%(name)s added"), with_place=True)


def _change(document: FlowDocument, wanted: Change) -> Edited:
    before = _card(document, wanted.step).step
    drawn = _open(document)
    step = _list_at(drawn, wanted.step[:-1])[wanted.step[-1]]
    if wanted.id is not None and wanted.id != before.id:
        _rename(drawn, before.id, wanted.id)
        step["id"] = wanted.id
        if before.group == before.id:
            step["group"] = wanted.id
    if wanted.when is not None:
        step["when"] = wanted.when.strip() or None
    if wanted.on_refusal is not None:
        step["on_refusal"] = wanted.on_refusal
    if wanted.settings is not None:
        step["settings"] = wanted.settings
    return Edited(parse(drawn), wanted.step, _("%(name)s changed") % {"name": step["id"]})


def _head(document: FlowDocument, wanted: Head) -> Edited:
    return Edited(
        parse({**_open(document), "title": wanted.title, "default": wanted.default}),
        None,
        _("Flow changed"),
    )


def _replace(document: FlowDocument, wanted: Replace) -> Edited:
    """Replace the document but keep its name and purpose, because runs and applications rely on both."""
    kept = {"flow": document.flow, "for": document.designation}
    return Edited(parse({**wanted.document, **kept}), None, wanted.said or _("Flow changed"))


_EDITS: dict[type, Callable[[FlowDocument, Any], Edited]] = {
    Add: _add,
    Move: _move,
    Nudge: _nudge,
    Wrap: _wrap,
    Remove: _remove,
    Duplicate: _duplicate,
    Change: _change,
    Head: _head,
    Replace: _replace,
}


def _done(drawn: Json, step: Json, said: str, *, with_place: bool = False) -> Edited:
    """Return the result with the place of the edited step in the new document."""
    at = _place_of(drawn["steps"], step)
    document = parse(drawn)
    text = said % {"name": step.get("id") or step.get("group")}
    return Edited(document, at, f"{text} {_told(document, at)}" if with_place else text)


def _told(document: FlowDocument, at: Place) -> str:
    """Return a phrase for where a card is."""
    found = spot(draw(document), at)
    if found is None:
        return ""
    if found.at + 1 < len(found.beside):
        said = _("before %(name)s") % {"name": found.beside[found.at + 1].step.id}
    elif found.at:
        said = _("after %(name)s") % {"name": found.beside[found.at - 1].step.id}
    else:
        said = _("as the only step") if found.within is None else ""
    if found.within is None:
        return said
    title = found.within.lanes[found.lane].title
    lane = {"lane": f"{found.within.step.id}: {title}" if title else found.within.step.id}
    return f"{said} {_('in %(lane)s') % lane}" if said else _("into %(lane)s") % lane


def _place_of(steps: list[Json], wanted: Json, around: Place = ()) -> Place:
    for at, each in enumerate(steps):
        if each is wanted:
            return (*around, at)
        if found := _place_of(each.get("steps", []), wanted, (*around, at)):
            return found
    return ()


def _card(document: FlowDocument, place: Place) -> Card:
    found = spot(draw(document), place)
    if found is None:
        raise CannotEdit(_("This step no longer exists."))
    return found.card


def _open(document: FlowDocument) -> Json:
    """Return the document as mutable JSON, every step with its ID."""
    return document.model_dump(mode="json", by_alias=True)


def _list_at(drawn: Json, place: Place) -> list[Json]:
    """Return the steps of the section at this place, of the flow for (); raise CannotEdit."""
    steps: list[Json] = drawn["steps"]
    for at in place:
        if at >= len(steps) or steps[at].get("group") is None:
            raise CannotEdit(_("This position no longer exists."))
        steps = steps[at].setdefault("steps", [])
    return steps


def _insert(drawn: Json, at: Place, block: list[Json]) -> None:
    steps = _list_at(drawn, at[:-1])
    if at[-1] > len(steps):
        raise CannotEdit(_("This position no longer exists."))
    steps[at[-1] : at[-1]] = block


def _within(step: Json) -> Iterator[Json]:
    yield step
    for inner in step.get("steps", []):
        yield from _within(inner)


def _ids(steps: tuple[StepDocument, ...]) -> set[str]:
    return {name for step in steps for name in (step.id, *_ids(step.steps))}


def _free(wanted: str, taken: set[str]) -> str:
    """Return an unused ID that conditions can tell from all others, such as ``password-2``."""
    stem = re.sub(r"[^a-z0-9_.-]+", "-", wanted.lower()).strip("-_.")[:44] or "step"
    used, number = {symbol(each) for each in taken}, 2
    if symbol(stem) not in used:
        return stem
    stem = re.sub(r"-\d+$", "", stem)
    while symbol(f"{stem}-{number}") in used:
        number += 1
    return f"{stem}-{number}"


def _rename(drawn: Json, old: str, new: str) -> None:
    """Rename a step in all conditions and tests that refer to it."""
    for step in (each for top in drawn["steps"] for each in _within(top)):
        if step.get("when"):
            step["when"] = _renamed(step["when"], symbol(old), symbol(new))
    for test in drawn["tests"]:
        for key in ("answers", "expect"):
            test[key] = {_headed(name, old, new): value for name, value in test[key].items()}


def _headed(name: str, old: str, new: str) -> str:
    """Return the name under the new step ID; names in a sub-flow have the ID of its step as prefix."""
    return new + name.removeprefix(old) if name == old or name.startswith(f"{old}.") else name


def _renamed(source: str, old: str, new: str) -> str:
    """Return the condition with a step renamed; string literals stay unchanged."""

    def told(piece: str) -> str:
        return _REFERENCE.sub(lambda match: f"steps.{new}" if match[1] == old else match[0], piece)

    end, found = 0, []
    for literal in LITERAL.finditer(source):
        found += [told(source[end : literal.start()]), literal[0]]
        end = literal.end()
    return "".join([*found, told(source[end:])])
