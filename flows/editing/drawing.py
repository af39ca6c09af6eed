"""The drawing of a document: cards in lanes, each with its place; what the builder shows and what moving a
card means.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from pydantic import ValidationError

from flows.conditions.presets import join, split
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.layout import symbol
from flows.registry import stages
from flows.settings import Text
from flows.stage import Stage

Place = tuple[int, ...]
"""The indices that lead to a step: ``(2, 0)`` is the first step of the group that is the third step."""


class CannotEdit(Exception):
    """This cannot be done here; the message says why."""


@dataclass(frozen=True)
class Lane:
    """A way through the flow.

    ``lane``: the condition that puts a step into it, "" for a group's; ``end``: behind its last card.
    """

    title: Text
    lane: str
    cards: tuple["Card", ...]
    end: Place


@dataclass(frozen=True)
class Card:
    """One box.

    ``span``: how many steps of its list it covers: a choice covers those that apply by its answers, which are
    its lanes.

    ``lane``: the condition of the lane in which it is drawn, "" for none.
    """

    place: Place
    step: StepDocument
    lane: str = ""
    span: int = 1
    lanes: tuple[Lane, ...] = field(default=(), repr=False)

    @property
    def end(self) -> Place:
        """The place behind all that it covers."""
        return (*self.place[:-1], self.place[-1] + self.span)


@dataclass(frozen=True)
class Spot:
    """Where a card is: those beside it, its number among them, and the card in whose lane it is with that
    lane's number.
    """

    beside: tuple[Card, ...]
    at: int
    within: Card | None = None
    lane: int = 0

    @property
    def card(self) -> Card:
        """The card itself."""
        return self.beside[self.at]


def draw(document: FlowDocument) -> tuple[Card, ...]:
    """The cards from top to bottom."""
    return _cards(document.steps, ())


def spot(cards: Sequence[Card], place: Place) -> Spot | None:
    """Where the card with this place is, None where there is none."""
    return next((each for each in spots(cards) if each.card.place == place), None)


def spots(cards: Sequence[Card], within: Card | None = None, lane: int = 0) -> Iterator[Spot]:
    """Every card of the drawing, as it is read."""
    for at, card in enumerate(cards):
        yield Spot(tuple(cards), at, within, lane)
        for number, each in enumerate(card.lanes):
            yield from spots(each.cards, card, number)


def in_lane(when: str | None, old: str, new: str) -> str | None:
    """The condition of a card that comes from one lane into another: the old lane's is taken away, the new
    lane's put first.
    """
    if old == new:
        return when
    kept = [part for part in split(when or "") if part != old]
    return join([new, *kept]) or None


def way(found: Spot, where: str) -> tuple[Place, str]:
    """The place, and the lane, to which a card goes that is moved ``up``, ``down``, ``in`` or ``out``; raises
    CannotEdit.
    """
    return _WAYS[where](found)


def _cards(steps: Sequence[StepDocument], around: Place) -> tuple[Card, ...]:
    cards, at = [], 0
    while at < len(steps):
        card = _branching(steps, at, around) or _card(steps, at, around, "")
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


def _branching(steps: Sequence[StepDocument], at: int, around: Place) -> Card | None:
    """A step that says which way is taken, with the steps behind it that apply by what it says."""
    ways = _ways(steps[at])
    if not ways:
        return None
    found: dict[str, list[Card]] = {lane: [] for lane in ways}
    end = at + 1
    while end < len(steps) and (lane := _lane_of(steps[end], ways)):
        found[lane].append(_card(steps, end, around, lane))
        end += 1
    behind = {lane: cards[-1].end if cards else (*around, end) for lane, cards in found.items()}
    lanes = tuple(Lane(title, lane, tuple(found[lane]), behind[lane]) for lane, title in ways.items())
    return Card((*around, at), steps[at], span=end - at, lanes=lanes)


def _lane_of(step: StepDocument, ways: Mapping[str, Text]) -> str:
    first = next(iter(split(step.when or "")), "")
    return next((lane for lane in ways if lane == first), "")


def _ways(step: StepDocument) -> dict[str, Text]:
    """The conditions by which later steps take each way, with its title."""
    kind = stages().get(step.stage or "")
    if kind is None or kind.ways is Stage.ways:
        return {}
    try:
        made = kind(kind.Settings.model_validate(kind.upgrade(step.settings)))
    except ValidationError:
        return {}
    head = f"steps.{symbol(step.id)}"
    return {
        f'{head}.{word} == "{value}"': title
        for word, values in made.ways().items()
        for value, title in values.items()
    }


def _up(found: Spot) -> tuple[Place, str]:
    if found.at == 0:
        raise CannotEdit(_("%(name)s is already first.") % {"name": found.card.step.id})
    return found.beside[found.at - 1].place, found.card.lane


def _down(found: Spot) -> tuple[Place, str]:
    if found.at + 1 == len(found.beside):
        raise CannotEdit(_("%(name)s is already last.") % {"name": found.card.step.id})
    return found.beside[found.at + 1].end, found.card.lane


def _into(found: Spot) -> tuple[Place, str]:
    """The last place of the lane above, the first of the one below, or the next lane of those in which it
    lies.
    """
    above = found.beside[found.at - 1].lanes if found.at else ()
    if above:
        return above[0].end, above[0].lane
    below = found.beside[found.at + 1].lanes if found.at + 1 < len(found.beside) else ()
    if below:
        return (below[0].cards[0].place if below[0].cards else below[0].end), below[0].lane
    if found.within and found.lane + 1 < len(found.within.lanes):
        lane = found.within.lanes[found.lane + 1]
        return lane.end, lane.lane
    raise CannotEdit(
        _("There is no branch next to %(name)s. Move it next to a section or choice first.")
        % {"name": found.card.step.id}
    )


def _out(found: Spot) -> tuple[Place, str]:
    if found.within is None:
        raise CannotEdit(_("%(name)s isn't in a branch.") % {"name": found.card.step.id})
    if found.lane:
        lane = found.within.lanes[found.lane - 1]
        return lane.end, lane.lane
    return found.within.end, found.within.lane


_WAYS: Mapping[str, Callable[[Spot], tuple[Place, str]]] = {
    "up": _up,
    "down": _down,
    "in": _into,
    "out": _out,
}
