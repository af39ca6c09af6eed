"""Lint warnings about flows that are valid but weaker, or more intrusive, than they look."""

from collections.abc import Iterator

from pydantic import ValidationError

from flows.conditions.expressions import STEPS_PREFIX, BadCondition
from flows.documents.layout import Layout, LayoutNode, condition_name
from flows.registry import stages
from flows.stage import Stage

FlowWarning = tuple[LayoutNode, str]
_FACTOR_WORDS = ("second_factor.present", "second_factor.method", "session.methods")


def find_warnings(layout: Layout) -> Iterator[FlowWarning]:
    """Yield each node that deserves a warning, with the message."""
    kinds = [(node, stages().get(node.definition.stage or "")) for node in layout.nodes]
    for at, (node, kind) in enumerate(kinds):
        later = kinds[at + 1 :]
        if kind is None or not any(after and "signed_in" in after.gives for _, after in later):
            continue
        if (
            "second_factor" in kind.gives
            and _continues_on_refusal(node, layout)
            and not any(_is_checked_by(other, node) for other, _ in later)
        ):
            yield (
                node,
                (
                    f"People who fail {node.id} are still signed in, because no later condition checks its "
                    "result."
                ),
            )
        if any(before and "proof" in before.gives for _, before in kinds[:at]) and (
            typed := _free_text_outputs(node, kind)
        ):
            yield (
                node,
                (
                    f"People may mistake {', '.join(typed)} for part of signing in. Move this step after "
                    "login, unless an earlier condition needs the answer."
                ),
            )


def _continues_on_refusal(node: LayoutNode, layout: Layout) -> bool:
    return layout.refusal_handler(node.id) is not None


def _is_checked_by(later: LayoutNode, node: LayoutNode) -> bool:
    """Return whether a later condition reads this node's decision or the second factor."""
    try:
        names = later.condition.names if later.condition else ()
    except BadCondition:
        return False
    heads = {
        condition_name(each.removeprefix(later.prefix))
        for each in (node.id, *node.ancestors)
        if each.startswith(later.prefix)
    }
    return any(
        name in _FACTOR_WORDS or (name.startswith(STEPS_PREFIX) and name.split(".")[1] in heads)
        for name in names
    )


def _free_text_outputs(node: LayoutNode, kind: type[Stage]) -> list[str]:
    """Return the outputs of a step that contain free text."""
    try:
        return sorted(
            kind(kind.Settings.model_validate(kind.upgrade(node.definition.settings))).free_text_outputs()
        )
    except ValidationError:
        return []  # lint reports invalid settings
