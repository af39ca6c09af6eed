"""Detects flows that no one can finish, as far as that is visible without running them."""

from collections.abc import Mapping

from flows.conditions.expressions import BadCondition
from flows.conditions.warnings import find_warnings
from flows.documents.document import FlowDocument
from flows.documents.layout import FlowTooLarge, Layout, LayoutNode, lay_out

_REFUSES, _ENDS = "deny", ("redirect", "finish")


def find_dead_end(document: FlowDocument, sub_flows: Mapping[str, FlowDocument]) -> str:
    """Return the ID of the step that refuses everyone who reaches it, "" where there is none.

    That is a refusal that nothing catches, without a condition or with one that is always true.

    Combinations of conditions and stages of other packages are not analyzed; the tests of a flow cover these.
    """
    try:
        return _refusing_step(lay_out(document, sub_flows))
    except (FlowTooLarge, BadCondition):
        return ""  # lint reports it as an error


def _refusing_step(layout: Layout) -> str:
    for node in layout.nodes:
        if node.definition.stage in _ENDS:
            return ""  # some people reach an end before it
        if (
            _always_applies(node, layout)
            and node.definition.stage == _REFUSES
            and layout.refusal_handler(node.id) is None
        ):
            return node.id
    return ""


def _always_applies(node: LayoutNode, layout: Layout) -> bool:
    conditions = [layout.by_id[each].condition for each in (node.id, *node.ancestors)]
    return all(
        each is None or any(doubt.constant_value for doubt in find_warnings(each)) for each in conditions
    )
