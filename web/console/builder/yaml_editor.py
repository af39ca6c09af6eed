"""A flow as YAML, and the parser that returns the position of every error."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from blueprints.files.emit import emit, in_order_of
from blueprints.files.nodes import BadYaml, Node, parse
from flows.documents.document import FlowDocument
from flows.documents.versions import RefusedFlow
from flows.documents.versions import parse as checked


@dataclass(frozen=True)
class Fault:
    """An error in the text; ``line`` and ``column`` count from 1."""

    line: int
    column: int
    message: str


class BadText(Exception):
    """The text is not a valid flow; ``faults`` contains the errors and their positions."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def text_of(document: FlowDocument) -> str:
    """Return the document as YAML."""
    return emit([in_order_of(FlowDocument, document.as_json())])


def read_text(text: str, name: str, designation: str) -> FlowDocument:
    """Return the document of a text; raises BadText.

    Its name and purpose cannot change, because runs rely on both.
    """
    try:
        nodes = parse(text.encode("utf-8", "replace"))
    except BadYaml as bad:
        raise BadText([Fault(bad.line, bad.column, bad.message)]) from None
    if len(nodes) != 1 or not nodes[0].is_map:
        raise BadText([Fault(1, 1, _("Enter one flow with the keys flow, title, for and steps."))])
    node = nodes[0]
    values = plain(node)
    for key, expected in (("flow", name), ("for", designation)):
        if values.get(key, expected) != expected:
            line, column = node.place((key,))
            raise BadText(
                [
                    Fault(
                        line,
                        column,
                        _("This must stay %(kept)s. Create a new flow instead.") % {"kept": expected},
                    )
                ]
            )
    try:
        return checked({**values, "flow": name, "for": designation})
    except RefusedFlow as refused:
        faults = []
        for finding in refused.findings[:20]:
            line, column = node.place(node.known(finding.path))
            where = ".".join(map(str, finding.path))
            faults.append(Fault(line, column, f"{where}: {finding.message}" if where else finding.message))
        raise BadText(faults) from None


def plain(node: Node) -> Any:
    """Return the values of a YAML node; raises BadText for a tag.

    Without tags, no file, secret or variable of the server is read into a flow.
    """
    if node.tag:
        raise BadText(
            [
                Fault(
                    node.line,
                    node.column,
                    _("Tags such as !%(tag)s are not supported here.") % {"tag": node.tag[:30]},
                )
            ]
        )
    if node.is_map:
        return {key: plain(value) for key, (_key, value) in node.value.items()}
    return [plain(each) for each in node.value] if node.is_list else node.value
