"""Additions to the OpenAPI document that the framework generates: bodies, headers and descriptions."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from blueprints.objects.document import DeviceSettings
from web.api import errors
from web.api.admin import failures
from web.api.admin.object_schemas import body_schemas, document_schemas

_REF = "#/components/schemas/{model}"
_ANY_FLOW = {
    "type": "object",
    "title": "AnyFlow",
    "description": "A flow as in a blueprint, valid or not: it is checked when it is published. "
    "The name may be omitted.",
    "examples": [{"title": "Sign in", "for": "authentication", "steps": [{"stage": "identification"}]}],
}
_Header = tuple[str, str, bool]
_HEADERS: dict[int, _Header] = {
    401: ("WWW-Authenticate", "How to authenticate.", True),
    403: ("WWW-Authenticate", "Sent if the token lacks a scope (RFC 6750 section 3.1).", False),
    405: ("Allow", "The allowed methods.", True),
    429: ("Retry-After", "Seconds to wait.", True),
}
_ETAG: _Header = ("ETag", "The version, for preconditions.", True)
_LINK: _Header = ("Link", "Adjacent pages (RFC 8288): prev, next.", False)
_LOCATION: _Header = ("Location", "The address of the new object.", False)
_ADMIN = "AccessToken"


def complete_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return the complete document."""
    schemas = document["components"]["schemas"]
    schemas |= models_json_schema([(model, "validation") for model in body_schemas()], ref_template=_REF)[1][
        "$defs"
    ]
    schemas["AnyFlow"] = _ANY_FLOW
    for model in _without_defaults():
        for each in schemas[model]["properties"].values():
            each.pop("default", None)
    shared: dict[str, Any] = {}
    document["components"]["responses"] = shared
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
            _share(operation, shared)
    return document


def _without_defaults() -> list[str]:
    """Return the names of schemas without defaults: a key that is omitted keeps its value."""
    models: list[type[BaseModel]] = [*body_schemas(), *document_schemas(), DeviceSettings]
    return [model.__name__ for model in models]


def _share(operation: dict[str, Any], shared: dict[str, Any]) -> None:
    """Replace errors that many operations have by references to one description."""
    for status, response in operation["responses"].items():
        if status >= 400 and _is_admin_operation(operation):
            name = f"Error{status}"
            shared[name] = response
            operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def _complete(method: str, operation: dict[str, Any]) -> None:
    is_admin = _is_admin_operation(operation)
    meaning = failures.DESCRIPTIONS if is_admin else errors.DESCRIPTIONS
    for status, response in operation["responses"].items():
        response["description"] = meaning.get(status, response["description"])
        headers = list[_Header]()
        if status in _HEADERS:
            headers = [_HEADERS[status]]
        elif is_admin:
            headers = _success_headers(method, operation, status)
        if headers:
            response["headers"] = {name: _header_object(text, required) for name, text, required in headers}


def _success_headers(method: str, operation: dict[str, Any], status: int) -> list[_Header]:
    if status == 200 and method == "get" and any(each["name"] == "page" for each in operation["parameters"]):
        return [_LINK]
    if operation["operationId"] == "create_application_from_recipe" and status == 201:
        return [_ETAG, _LOCATION]
    if status not in (200, 201, 304) or not any(each["in"] == "header" for each in operation["parameters"]):
        return []
    has_etag = operation["operationId"] != "publish_flow"
    return [*([_ETAG] if has_etag else []), *([_LOCATION] if status == 201 else [])]


def _is_admin_operation(operation: dict[str, Any]) -> bool:
    """Return whether an operation belongs to the administration and not to a run."""
    return any(_ADMIN in each for each in operation.get("security", ()))


def _header_object(text: str, required: bool) -> dict[str, Any]:
    return {"description": text, "required": required, "schema": {"type": "string"}}
