"""A flow as YAML, and the parser that returns the position of every error."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from blueprints.files.emit import emit, order_keys
from blueprints.files.nodes import BadYaml, Node, parse
from flows.documents.document import FlowDocument
from flows.documents.versions import InvalidFlow
from flows.documents.versions import parse_flow as checked


@dataclass(frozen=True)
class TextProblem:
    """An error in the text; ``line`` and ``column`` count from 1."""

    line: int
    column: int
    message: str


class InvalidFlowText(Exception):
    """The text is not a valid flow; ``problems`` contains the errors and their positions."""

    def __init__(self, faults: list[TextProblem]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.problems = faults


def flow_to_text(document: FlowDocument) -> str:
    """Return the document as YAML."""
    return emit([order_keys(FlowDocument, document.as_json())])


def flow_from_text(text: str, name: str, designation: str) -> FlowDocument:
    """Return the document of a text; raises InvalidFlowText.

    Its name and purpose cannot change, because runs rely on both.
    """
    try:
        nodes = parse(text.encode("utf-8", "replace"))
    except BadYaml as bad:
        raise InvalidFlowText([TextProblem(bad.line, bad.column, bad.message)]) from None
    if len(nodes) != 1 or not nodes[0].is_map:
        raise InvalidFlowText(
            [TextProblem(1, 1, _("Enter one flow with the keys flow, title, for and steps."))]
        )
    node = nodes[0]
    values = node_to_value(node)
    for key, expected in (("flow", name), ("for", designation)):
        if values.get(key, expected) != expected:
            line, column = node.position((key,))
            raise InvalidFlowText(
                [
                    TextProblem(
                        line,
                        column,
                        _("This must stay %(kept)s. Create a new flow instead.") % {"kept": expected},
                    )
                ]
            )
    try:
        return checked({**values, "flow": name, "for": designation})
    except InvalidFlow as refused:
        faults = []
        for finding in refused.findings[:20]:
            line, column = node.position(node.existing_prefix(finding.path))
            where = ".".join(map(str, finding.path))
            faults.append(
                TextProblem(line, column, f"{where}: {finding.message}" if where else finding.message)
            )
        raise InvalidFlowText(faults) from None


def node_to_value(node: Node) -> Any:
    """Return the values of a YAML node; raises InvalidFlowText for a tag.

    Without tags, no file, secret or variable of the server is read into a flow.
    """
    if node.tag:
        raise InvalidFlowText(
            [
                TextProblem(
                    node.line,
                    node.column,
                    _("Tags such as !%(tag)s are not supported here.") % {"tag": node.tag[:30]},
                )
            ]
        )
    if node.is_map:
        return {key: node_to_value(value) for key, (_key, value) in node.value.items()}
    return [node_to_value(each) for each in node.value] if node.is_list else node.value
