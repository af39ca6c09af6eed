"""Validate the valid parts of an invalid document, so that one response reports everything that is wrong."""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.documents.designations import SUB_FLOW
from flows.documents.document import FlowDocument, StepDocument

MAX_ERRORS = 200  # no one reads more of them at once
_MAX_ROUNDS = 3
_REPLACEMENTS = {"title": "?", "for": SUB_FLOW, "steps": []}
_OPTIONAL_STEP_KEYS = {
    name for name, field in StepDocument.model_fields.items() if not field.is_required()
} - {
    "stage",
    "group",
    "flow",
    "steps",
}


def validate_partially(
    model: type[BaseModel], values: Mapping[str, Any], unnamed: str = "unnamed"
) -> tuple[BaseModel | None, list[Any]]:
    """Return the document without its invalid keys, or None if that is impossible, and every pydantic error.

    The document is only for checking its references, and never for writing. ``unnamed`` replaces an invalid
    name.
    """
    name = next(iter(model.model_fields))
    all_errors: list[Any] = []
    remaining = copy.deepcopy(dict(values))
    for _ in range(_MAX_ROUNDS):
        try:
            return model.model_validate(remaining), all_errors
        except ValidationError as invalid:
            if invalid.error_count() > MAX_ERRORS:  # listing them would cost more than the document
                return None, [
                    {
                        "type": "too_many",
                        "loc": (),
                        "msg": f"More than {MAX_ERRORS} keys of this document are wrong",
                    }
                ]
            errors = invalid.errors()
        all_errors += errors
        if any(error["loc"] == (name,) for error in errors):
            remaining[name] = unnamed
            errors = [error for error in errors if error["loc"] != (name,)]
        if not all(
            _remove_invalid(model, remaining, tuple(error["loc"]), str(error["type"])) for error in errors
        ):
            break
        if model is FlowDocument:
            remaining.pop("tests", None)  # they would fail because of the removed keys
    return None, all_errors


def _remove_invalid(model: type[BaseModel], values: dict[str, Any], path: tuple[Any, ...], kind: str) -> bool:
    """Remove the invalid value at ``path``; return whether that is possible."""
    if not path:
        return False
    key = path[0]
    if model is FlowDocument and key == "steps" and _remove_step_key(values, path, kind):
        return True
    if key in _REPLACEMENTS:
        values[key] = copy.deepcopy(_REPLACEMENTS[key])
        return True
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    if key in required:
        return False
    values.pop(key, None)
    return True


def _remove_step_key(values: Any, path: tuple[Any, ...], kind: str) -> bool:
    """Remove an optional key of a step; return whether that is possible."""
    for at, step in enumerate(path):
        if isinstance(values, dict) and isinstance(step, str) and step != "steps":
            if (kind == "extra_forbidden" and at == len(path) - 1) or step in _OPTIONAL_STEP_KEYS:
                values.pop(step, None)
                return True
            return False
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return False
    return False
