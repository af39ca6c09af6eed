"""Tells when nobody can walk a flow to its end, though it is sound: as far as one sees without walking it."""

from collections.abc import Mapping

from flows.document import FlowDocument
from flows.layout import Box, Layout, TooLarge, lay_out

_REFUSES, _ENDS = "deny", ("redirect", "finish")


def dead_end(document: FlowDocument, parts: Mapping[str, FlowDocument]) -> str:
    """Return the step that refuses everybody who comes to it: a refusal under no condition that nothing catches. "" where there is none.

    What conditions say together, and what a stage of somebody else does, is not looked at: the tests of a flow tell that.
    """
    try:
        layout = lay_out(document, parts)
    except TooLarge:
        return ""  # lint refuses it
    for box in layout.boxes:
        if box.drawn.stage in _ENDS:
            return ""  # somebody came to an end before it
        if _always(box, layout) and box.drawn.stage == _REFUSES and layout.goes_on_after(box.id) is None:
            return box.id
    return ""


def _always(box: Box, layout: Layout) -> bool:
    return all((layout.by_id[each].drawn.when or "true").strip() == "true" for each in (box.id, *box.within))
