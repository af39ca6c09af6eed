"""Lint warnings about flows that are valid but weaker, or more intrusive, than they look."""

from collections.abc import Iterator

from pydantic import ValidationError

from flows.conditions.expressions import STEPS, BadCondition
from flows.documents.layout import Box, Layout, symbol
from flows.registry import stages
from flows.stage import Stage

Caution = tuple[Box, str]
_FACTOR_WORDS = ("second_factor.present", "second_factor.method", "session.methods")


def cautions(layout: Layout) -> Iterator[Caution]:
    """Yield each node that deserves a warning, with the message."""
    kinds = [(box, stages().get(box.drawn.stage or "")) for box in layout.boxes]
    for at, (box, kind) in enumerate(kinds):
        later = kinds[at + 1 :]
        if kind is None or not any(after and "signed_in" in after.gives for _, after in later):
            continue
        if (
            "second_factor" in kind.gives
            and _goes_on(box, layout)
            and not any(_asks(other, box) for other, _ in later)
        ):
            yield (
                box,
                (
                    f"People who fail {box.id} are still signed in, because no later condition checks its "
                    "result."
                ),
            )
        if any(before and "proof" in before.gives for _, before in kinds[:at]) and (
            asked := _typed(box, kind)
        ):
            yield (
                box,
                (
                    f"People may mistake {', '.join(asked)} for part of signing in. Move this step after "
                    "login, unless an earlier condition needs the answer."
                ),
            )


def _goes_on(box: Box, layout: Layout) -> bool:
    return layout.goes_on_after(box.id) is not None


def _asks(later: Box, box: Box) -> bool:
    """Return whether a later condition reads this node's decision or the second factor."""
    try:
        names = later.condition.names if later.condition else ()
    except BadCondition:
        return False
    heads = {
        symbol(each.removeprefix(later.prefix))
        for each in (box.id, *box.within)
        if each.startswith(later.prefix)
    }
    return any(
        name in _FACTOR_WORDS or (name.startswith(STEPS) and name.split(".")[1] in heads) for name in names
    )


def _typed(box: Box, kind: type[Stage]) -> list[str]:
    """Return the outputs of a step that contain free text."""
    try:
        return sorted(kind(kind.Settings.model_validate(kind.upgrade(box.drawn.settings))).typed())
    except ValidationError:
        return []  # lint reports invalid settings
