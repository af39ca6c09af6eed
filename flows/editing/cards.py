"""Cards of the builder: a document as cards in lanes, and what moving a card means.

Each card has its place in the document.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from pydantic import ValidationError

from flows.conditions.presets import join_conjunction, split_conjunction
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.layout import condition_name
from flows.registry import stages
from flows.settings import Text
from flows.stage import Stage

Place = tuple[int, ...]
"""The indices that lead to a step: ``(2, 0)`` is the first step of the section that is the third step."""


class CannotEdit(Exception):
    """An edit is impossible at this place; the message says why."""


@dataclass(frozen=True)
class Lane:
    """A branch of the flow.

    ``condition``: the condition that puts a step into it, "" for a section's; ``end``: the place after its
    last card.
    """

    title: Text
    condition: str
    cards: tuple["Card", ...]
    end: Place


@dataclass(frozen=True)
class Card:
    """One step in the builder.

    ``span``: how many steps of its list it covers. A choice covers those that depend on its answers, which
    are its lanes.

    ``lane_condition``: the condition of the lane in which it lies, "" for none.
    """

    place: Place
    step: StepDocument
    lane_condition: str = ""
    span: int = 1
    lanes: tuple[Lane, ...] = field(default=(), repr=False)

    @property
    def end(self) -> Place:
        """The place after all that it covers."""
        return (*self.place[:-1], self.place[-1] + self.span)


@dataclass(frozen=True)
class CardPosition:
    """The position of a card: its siblings, its index among them, and its parent with the lane's index."""

    siblings: tuple[Card, ...]
    index: int
    parent: Card | None = None
    lane_index: int = 0

    @property
    def card(self) -> Card:
        """The card itself."""
        return self.siblings[self.index]


def build_cards(document: FlowDocument) -> tuple[Card, ...]:
    """Return the cards from top to bottom."""
    return _cards(document.steps, ())


def find_position(cards: Sequence[Card], place: Place) -> CardPosition | None:
    """Return the position of the card with this place, None where there is none."""
    return next((each for each in iter_positions(cards) if each.card.place == place), None)


def iter_positions(
    cards: Sequence[Card], within: Card | None = None, lane: int = 0
) -> Iterator[CardPosition]:
    """Yield the position of every card, in reading order."""
    for at, card in enumerate(cards):
        yield CardPosition(tuple(cards), at, within, lane)
        for number, each in enumerate(card.lanes):
            yield from iter_positions(each.cards, card, number)


def change_lane(when: str | None, old: str, new: str) -> str | None:
    """Return the condition of a card that moves between lanes.

    The old lane's condition is removed and the new lane's is put first.
    """
    if old == new:
        return when
    remaining = [part for part in split_conjunction(when or "") if part != old]
    return join_conjunction([new, *remaining]) or None


def resolve_move(position: CardPosition, direction: str) -> tuple[Place, str]:
    """Return place and lane for a card that is moved ``up``, ``down``, ``in`` or ``out``.

    Raise CannotEdit where there is no such place.
    """
    return _MOVES[direction](position)


def _cards(steps: Sequence[StepDocument], around: Place) -> tuple[Card, ...]:
    cards, at = [], 0
    while at < len(steps):
        card = _branching_card(steps, at, around) or _card(steps, at, around, "")
        cards.append(card)
        at += card.span
    return tuple(cards)


def _card(steps: Sequence[StepDocument], at: int, around: Place, lane: str) -> Card:
    step, place = steps[at], (*around, at)
    if step.group is None:
        return Card(place, step, lane)
    return Card(
        place, step, lane, lanes=(Lane("", "", _cards(step.steps, place), (*place, len(step.steps))),)
    )


def _branching_card(steps: Sequence[StepDocument], at: int, around: Place) -> Card | None:
    """Return the card of a step with branches, with the following steps that depend on its output."""
    branches = _branches(steps[at])
    if not branches:
        return None
    found: dict[str, list[Card]] = {lane: [] for lane in branches}
    end = at + 1
    while end < len(steps) and (lane := _lane_condition_of(steps[end], branches)):
        found[lane].append(_card(steps, end, around, lane))
        end += 1
    behind = {lane: cards[-1].end if cards else (*around, end) for lane, cards in found.items()}
    lanes = tuple(Lane(title, lane, tuple(found[lane]), behind[lane]) for lane, title in branches.items())
    return Card((*around, at), steps[at], span=end - at, lanes=lanes)


def _lane_condition_of(step: StepDocument, branches: Mapping[str, Text]) -> str:
    first = next(iter(split_conjunction(step.when or "")), "")
    return next((lane for lane in branches if lane == first), "")


def _branches(step: StepDocument) -> dict[str, Text]:
    """Return the conditions by which later steps take each branch, with its title."""
    kind = stages().get(step.stage or "")
    if kind is None or kind.branches is Stage.branches:
        return {}
    try:
        stage = kind(kind.Settings.model_validate(kind.upgrade(step.settings)))
    except ValidationError:
        return {}
    head = f"steps.{condition_name(step.id)}"
    return {
        f'{head}.{output} == "{value}"': title
        for output, values in stage.branches().items()
        for value, title in values.items()
    }


def _up(position: CardPosition) -> tuple[Place, str]:
    if position.index == 0:
        raise CannotEdit(_("%(name)s is already first.") % {"name": position.card.step.id})
    return position.siblings[position.index - 1].place, position.card.lane_condition


def _down(position: CardPosition) -> tuple[Place, str]:
    if position.index + 1 == len(position.siblings):
        raise CannotEdit(_("%(name)s is already last.") % {"name": position.card.step.id})
    return position.siblings[position.index + 1].end, position.card.lane_condition


def _into(position: CardPosition) -> tuple[Place, str]:
    """Return the target of a move into a lane.

    That is the last place of the lane above, the first of the lane below, or the next lane of its own parent.
    """
    above = position.siblings[position.index - 1].lanes if position.index else ()
    if above:
        return above[0].end, above[0].condition
    below = position.siblings[position.index + 1].lanes if position.index + 1 < len(position.siblings) else ()
    if below:
        return (below[0].cards[0].place if below[0].cards else below[0].end), below[0].condition
    if position.parent and position.lane_index + 1 < len(position.parent.lanes):
        lane = position.parent.lanes[position.lane_index + 1]
        return lane.end, lane.condition
    raise CannotEdit(
        _("There is no branch next to %(name)s. Move it next to a section or choice first.")
        % {"name": position.card.step.id}
    )


def _out(position: CardPosition) -> tuple[Place, str]:
    if position.parent is None:
        raise CannotEdit(_("%(name)s isn't in a branch.") % {"name": position.card.step.id})
    if position.lane_index:
        lane = position.parent.lanes[position.lane_index - 1]
        return lane.end, lane.condition
    return position.parent.end, position.parent.lane_condition


_MOVES: Mapping[str, Callable[[CardPosition], tuple[Place, str]]] = {
    "up": _up,
    "down": _down,
    "in": _into,
    "out": _out,
}
