"""Entries written in a few lines, and the documents that they are converted to."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from blueprints.convert.authentik import convert
from blueprints.files.nodes import Node, parse
from blueprints.files.tags import Tags
from blueprints.objects.document import DOCUMENTS
from flows.documents.document import FlowDocument
from flows.documents.layout import lay_out

SAMPLES = Path(__file__).parent / "authentik"
ALL = [SAMPLES / name for name in ("sign-in.yaml", "tv.yaml", "brand.yaml")]

SIGN_IN = """
- {model: authentik_flows.flow, id: flow, identifiers: {slug: sign-in}, attrs: {name: Sign in, designation: authentication}}
- {model: authentik_stages_identification.identificationstage, id: who, identifiers: {name: who}, attrs: {user_fields: [username]}}
- {model: authentik_stages_password.passwordstage, id: password, identifiers: {name: password}}
- {model: authentik_stages_user_login.userloginstage, id: login, identifiers: {name: login}}
- {model: authentik_flows.flowstagebinding, id: b-who, identifiers: {target: !KeyOf flow, stage: !KeyOf who, order: 10}}
- {model: authentik_flows.flowstagebinding, id: b-password, identifiers: {target: !KeyOf flow, stage: !KeyOf password, order: 20}}
- {model: authentik_flows.flowstagebinding, id: b-login, identifiers: {target: !KeyOf flow, stage: !KeyOf login, order: 90}}
"""  # noqa: E501
SECRET_SAUCE = """
- model: authentik_policies_expression.expressionpolicy
  id: sauce
  identifiers: {name: secret-sauce}
  attrs:
    expression: |
      return True  # the whole company
"""
APPLICATION = """
- model: authentik_providers_oauth2.oauth2provider
  id: provider
  identifiers: {name: TV}
  attrs:
    client_type: public
    client_id: tv
    authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
    property_mappings: [!Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]]
- {model: authentik_core.application, id: app, identifiers: {slug: tv}, attrs: {name: TV, provider: !KeyOf provider}}
"""  # noqa: E501


@dataclass(frozen=True)
class Outcome:
    """The result of a conversion: its text, its documents without tags, and its notes as ``line: text``."""

    text: str
    documents: list[dict[str, Any]]
    notes: list[str]

    def one(self, kind: str, name: str = "") -> dict[str, Any]:
        """Return the only document of this kind, or the one of this name."""
        found = [each for each in self.documents if kind in each and name in ("", each[kind])]
        assert len(found) == 1, self.text
        return found[0]

    def steps(self, name: str = "sign-in") -> list[str]:
        """Return the stages of a flow in order, sections flattened, each with its condition."""
        boxes = lay_out(FlowDocument.model_validate(self.one("flow", name)), {}).nodes
        return [
            box.definition.stage + (f" when {box.definition.when}" if box.definition.when else "")
            for box in boxes
            if box.definition.stage
        ]

    def noted(self, *texts: str) -> bool:
        """Return whether one note contains all of these."""
        return any(all(text in note for text in texts) for note in self.notes)


def converted(files: Iterable[Path]) -> Outcome:
    """Convert, and check every document by our own validator."""
    made = convert(files)
    found = [_checked(node) for node in parse(made.text.encode())]
    return Outcome(made.text, found, [f"{note.line}: {note.text}" for note in made.notes])


def _checked(node: Node) -> dict[str, Any]:
    complaints: list[str] = []
    values = Tags(Path()).resolve(node, lambda at, text: complaints.append(text))
    assert all("isn't set" in each or "isn't a file" in each for each in complaints), complaints
    DOCUMENTS[next(key for key in values if key in DOCUMENTS)].model_validate(_set(values))
    return dict(_set(values))


def _set(value: Any) -> Any:
    """Return the value without what only the environment would supply."""
    if isinstance(value, dict):
        return {key: _set(each) for key, each in value.items() if each is not None}
    return [_set(each) for each in value if each is not None] if isinstance(value, list) else value


def written(folder: Path, *entries: str, head: str = "", name: str = "authentik.yaml") -> Path:
    """Write a file of these entries and return its path."""
    file = folder / name
    file.write_text(
        f"version: 1\n{dedent(head)}entries:\n"
        + "".join(indent(dedent(each).strip("\n") + "\n", "  ") for each in entries)
    )
    return file
