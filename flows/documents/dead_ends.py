"""Tells when nobody can walk a flow to its end, though it is sound: as far as one sees without walking it."""

from collections.abc import Mapping

from flows.conditions.doubts import doubts
from flows.conditions.expressions import BadCondition
from flows.documents.document import FlowDocument
from flows.documents.layout import Box, Layout, TooLarge, lay_out

_REFUSES, _ENDS = "deny", ("redirect", "finish")


def dead_end(document: FlowDocument, parts: Mapping[str, FlowDocument]) -> str:
    """Return the step that refuses everybody who comes to it, "" where there is none: a refusal that nothing
    catches, under no condition or under one that is always true.

    What conditions say together, and what a stage of somebody else does, is not looked at: the tests of a
    flow tell that.
    """
    try:
        return _refusing(lay_out(document, parts))
    except (TooLarge, BadCondition):
        return ""  # lint refuses it


def _refusing(layout: Layout) -> str:
    for box in layout.boxes:
        if box.drawn.stage in _ENDS:
            return ""  # somebody came to an end before it
        if _always(box, layout) and box.drawn.stage == _REFUSES and layout.goes_on_after(box.id) is None:
            return box.id
    return ""


def _always(box: Box, layout: Layout) -> bool:
    conditions = [layout.by_id[each].condition for each in (box.id, *box.within)]
    return all(each is None or any(doubt.verdict for doubt in doubts(each)) for each in conditions)
