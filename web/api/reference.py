"""The OpenAPI document for people: operations with parameters, bodies, responses and an example body."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from web.api.app import document

_PERMISSION = re.compile(r"\n\nRequires the permission `([\w.]+)` and the scope (.+)\.$")
_MAX_DEPTH = 3
_BOUNDS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "at least {}",
    "maxLength": "at most {} characters",
}


@dataclass(frozen=True)
class DocumentedField:
    """One parameter, or one member of a body or a response.

    ``name``: the name of a nested member has the names of its parents before it, joined by dots.
    """

    name: str
    type: str
    description: str = ""
    required: bool = False
    location: str = ""


@dataclass(frozen=True)
class DocumentedResponse:
    """A possible response with this status."""

    status: str
    description: str
    headers: str = ""
    members: list[DocumentedField] = field(default_factory=list)


@dataclass(frozen=True)
class DocumentedOperation:
    """One operation.

    ``permission``: the permission of the role, empty for runs, which need none.
    """

    name: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    permission: str
    scope: str
    parameters: list[DocumentedField]
    body: list[DocumentedField]
    example: str
    responses: list[DocumentedResponse]

    @property
    def successes(self) -> list[DocumentedResponse]:
        """Return the responses on success."""
        return [each for each in self.responses if each.status < "400"]

    @property
    def errors(self) -> list[DocumentedResponse]:
        """Return the responses on error."""
        return [each for each in self.responses if each.status >= "400"]

    @property
    def has_body(self) -> bool:
        """Return whether the request has a body."""
        return bool(self.example)


@cache
def operations() -> dict[str, DocumentedOperation]:
    """Return all operations by name, ordered by path."""
    spec = document()
    found = [
        _operation(spec, path, method, described)
        for path, methods in sorted(spec["paths"].items())
        for method, described in methods.items()
    ]
    return {each.name: each for each in found}


def _operation(
    spec: Mapping[str, Any], path: str, method: str, described: Mapping[str, Any]
) -> DocumentedOperation:
    words = described.get("description", "")
    needs = _PERMISSION.search(words)
    sent = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return DocumentedOperation(
        name=described["operationId"],
        tag=described["tags"][0],
        method=method.upper(),
        path=path,
        summary=described["summary"],
        description=_plain(_PERMISSION.sub("", words)),
        permission=needs[1] if needs else "",
        scope=needs[2].replace("`", "") if needs else "",
        parameters=[_parameter(spec, each) for each in described.get("parameters", ())],
        body=list(_members(spec, sent)) if sent else [],
        example=json.dumps(example(spec, sent), indent=2, ensure_ascii=False) if sent else "",
        responses=[_response(spec, status, each) for status, each in described["responses"].items()],
    )


def _parameter(spec: Mapping[str, Any], described: Mapping[str, Any]) -> DocumentedField:
    words = described.get("description", "") or described["schema"].get("description", "")
    return DocumentedField(
        described["name"],
        _type(spec, described["schema"]),
        _plain(words),
        described.get("required", False),
        described["in"],
    )


def _response(spec: Mapping[str, Any], status: str, described: Mapping[str, Any]) -> DocumentedResponse:
    described = _resolve(spec, described)
    schema = described.get("content", {}).get("application/json", {}).get("schema")
    return DocumentedResponse(
        status,
        _plain(described["description"]),
        ", ".join(described.get("headers", ())),
        list(_members(spec, schema)) if schema else [],
    )


def _members(
    spec: Mapping[str, Any], schema: Mapping[str, Any], before: str = "", depth: int = 0
) -> Iterator[DocumentedField]:
    """Yield the members of an object and of the objects in it."""
    schema = _resolve(spec, schema)
    for name, each in schema.get("properties", {}).items():
        words = each.get("description", "") or (each.get("title", "") if "$ref" not in each else "")
        required = name in schema.get("required", ())
        yield DocumentedField(f"{before}{name}", _type(spec, each), _plain(words), required)
        inner = _resolve(spec, each)
        listed = "items" in inner
        if depth < _MAX_DEPTH:
            yield from _members(
                spec,
                inner["items"] if listed else inner,
                f"{before}{name}{'[]' if listed else ''}.",
                depth + 1,
            )


def _plain(words: str) -> str:
    return words.replace("`", "")


def _type(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolve(spec, schema)
    if "enum" in schema:
        return " | ".join(json.dumps(each, ensure_ascii=False) for each in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(spec, each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(spec, schema.get('items', {}))}"
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    kind = str(schema.get("format") or schema.get("type") or "anything")
    return ", ".join([kind, *bounds])


def example(spec: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value of this schema: its example, else its default, else a plain value of its type."""
    schema = _resolve(spec, schema)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "default" in schema:
        return schema["default"]
    if "anyOf" in schema:
        return example(spec, schema["anyOf"][0], depth)
    if schema.get("type") == "object":
        members = schema.get("properties", {}) if depth < _MAX_DEPTH else {}
        inner = {name: each for name, each in members.items() if not each.get("x-in-address")}
        needed = set(schema.get("required", ())) or set(list(inner)[:3])
        return {name: example(spec, each, depth + 1) for name, each in inner.items() if name in needed}
    plain = {"string": "", "integer": schema.get("minimum", 1), "number": 1, "boolean": True, "array": []}
    return plain.get(str(schema.get("type")))


def _resolve(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    _, _, kind, name = schema["$ref"].split("/")
    return {
        **spec["components"][kind][name],
        **{key: value for key, value in schema.items() if key != "$ref"},
    }
