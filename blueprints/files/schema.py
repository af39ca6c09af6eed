"""The JSON Schema of blueprints for editors, with every installed stage."""

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import override

from blueprints.files.key_problems import VARS
from blueprints.objects.document import DOCUMENTS, LONG_GRANTS
from flows.documents.schema import document_schema
from idp.oauth.grant import load_grants
from idp.oauth.scopes import STANDARD_SCOPES
from idp.outbox.placeholders import shipped_templates

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TAGGED = {"$ref": "#/$defs/Tagged"}
# An editor that is configured for the tags validates the text behind a tag as a value of the configured type,
# null. No other value has that type without being null, so this accepts tagged values and no empty value.
_TAG = {
    "title": "Tag",
    "description": "A tag in place of the value: !env NAME [default], !file PATH, !secret NAME, !vars NAME.",
    "anyOf": [
        {"type": "string", "pattern": "^!(env|file|secret|vars) ."},
        {"type": "null", "not": {"enum": [None]}},
    ],
}
_ANNOTATIONS = ("title", "description", "default", "examples")


def render_schema() -> str:
    """Return the schema as it is committed, in English."""
    with override("en"):
        return json.dumps(blueprint_schema(), indent=2, ensure_ascii=False) + "\n"


def blueprint_schema() -> dict[str, Any]:
    """Return the schema of one document of a file.

    For a schema, a value with a tag is the text that is written: ``!vars name``.
    """
    defs = model_schemas()
    documents = {name: _allow_tags(each) for name, each in defs.items()}
    return {
        "$schema": DIALECT,
        "title": "A document of a Foyer blueprint",
        "type": "object",
        "anyOf": [{"required": [kind]} for kind in (*DOCUMENTS, VARS)],
        "allOf": [
            {"if": {"required": [kind]}, "then": {"$ref": f"#/$defs/{model.__name__}"}}
            for kind, model in DOCUMENTS.items()
        ] + [{"if": {"required": [VARS]}, "then": {"$ref": "#/$defs/Variables"}}],
        "$defs": {**dict(sorted(documents.items())), "Variables": _variables(), "Tagged": _TAG},
    }  # fmt: skip


def model_schemas() -> dict[str, Any]:
    """Return the schemas of all document models and the models within them, by model name.

    They do not allow tags.
    """
    defs: dict[str, Any] = {}
    for kind, model in DOCUMENTS.items():
        found = document_schema() if kind == "flow" else model.model_json_schema(by_alias=True)
        defs |= found.pop("$defs", {})
        defs[model.__name__] = found
    _add_allowed_values(defs)
    return defs


def _add_allowed_values(defs: dict[str, Any]) -> None:
    """List the allowed values of keys that are declared as plain text.

    For scopes, those that are shipped with Foyer are offered.
    """
    application, mail = defs["ApplicationDocument"]["properties"], defs["MailDocument"]["properties"]
    short_names = {address: name for name, address in LONG_GRANTS.items()}
    application["grants"]["items"] = {
        "type": "string",
        "enum": sorted({*(short_names.get(each, each) for each in load_grants()), *load_grants()}),
    }
    application["scopes"]["items"] = {"anyOf": [{"enum": list(STANDARD_SCOPES)}, {"type": "string"}]}
    mail["mail"] |= {"enum": sorted(shipped_templates())}


def _variables() -> dict[str, Any]:
    mapping = {"type": "object", "minProperties": 1}
    return {
        "title": "Variables",
        "description": (
            "At the start of a file: the values of !vars. With a list, the rest of the file is "
            "read once for each entry."
        ),
        "type": "object",
        "properties": {VARS: {"anyOf": [mapping, {"type": "array", "minItems": 1, "items": mapping}]}},
        "additionalProperties": False,
    }


def _allow_tags(value: Any) -> Any:
    """Return the schema with a tag allowed in place of each value that is not simply a text."""
    if isinstance(value, list):
        return [_allow_tags(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    found = {}
    for key, each in value.items():
        if key == "properties":
            found[key] = {name: _allow_tag(_allow_tags(inner)) for name, inner in each.items()}
        elif key in ("items", "additionalProperties") and isinstance(each, Mapping):
            found[key] = _allow_tag(_allow_tags(each))
        else:
            found[key] = each if key in ("if", "default") else _allow_tags(each)
    return found


def _allow_tag(described: dict[str, Any]) -> dict[str, Any]:
    constraints = {key: each for key, each in described.items() if key not in _ANNOTATIONS}
    if not constraints or "const" in constraints:
        return described
    annotations = {key: described[key] for key in _ANNOTATIONS if key in described}
    suggestions = _suggest(constraints)
    return {
        **annotations,
        **({"anyOf": [suggestions, {}]} if suggestions else {}),
        "if": {"not": _TAGGED},
        "then": constraints,
    }


def _suggest(constraints: dict[str, Any]) -> dict[str, Any]:
    """Return the values that editors offer; they do not look into conditions. It validates nothing."""
    if constraints.get("type") == "boolean":
        return {"enum": [True, False]}
    if "enum" in constraints:
        return {"enum": [each for each in constraints["enum"] if each != ""]}
    items = constraints.get("items", {})
    suggestions: list[Any] = [each for each in items.get("anyOf", ()) if "enum" in each]
    return {"type": "array", "items": suggestions[0]} if suggestions else {}
