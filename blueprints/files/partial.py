"""Validate the valid parts of an invalid document, so that one response reports everything that is wrong."""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.documents.designations import PART
from flows.documents.document import FlowDocument, StepDocument

MOST = 200  # no one reads more of them at once
_ROUNDS = 3
_FILLED = {"title": "?", "for": PART, "steps": []}
_LOOSE = {name for name, field in StepDocument.model_fields.items() if not field.is_required()} - {
    "stage",
    "group",
    "flow",
    "steps",
}


def partial(
    model: type[BaseModel], values: Mapping[str, Any], unnamed: str = "unnamed"
) -> tuple[BaseModel | None, list[Any]]:
    """Return the document without its invalid keys, or None if that is impossible, and every pydantic error.

    The document is only for checking its references, and never for writing. ``unnamed`` replaces an invalid
    name.
    """
    name = next(iter(model.model_fields))
    found: list[Any] = []
    said = copy.deepcopy(dict(values))
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(said), found
        except ValidationError as wrong:
            if wrong.error_count() > MOST:  # listing them would cost more than the document
                return None, [
                    {
                        "type": "too_many",
                        "loc": (),
                        "msg": f"More than {MOST} keys of this document are wrong",
                    }
                ]
            errors = wrong.errors()
        found += errors
        if any(error["loc"] == (name,) for error in errors):
            said[name] = unnamed
            errors = [error for error in errors if error["loc"] != (name,)]
        if not all(_mend(model, said, tuple(error["loc"]), str(error["type"])) for error in errors):
            break
        if model is FlowDocument:
            said.pop("tests", None)  # they would fail because of the removed keys
    return None, found


def _mend(model: type[BaseModel], said: dict[str, Any], path: tuple[Any, ...], kind: str) -> bool:
    """Remove the invalid value at ``path``; return whether that is possible."""
    if not path:
        return False
    key = path[0]
    if model is FlowDocument and key == "steps" and _mend_step(said, path, kind):
        return True
    if key in _FILLED:
        said[key] = copy.deepcopy(_FILLED[key])
        return True
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    if key in required:
        return False
    said.pop(key, None)
    return True


def _mend_step(said: Any, path: tuple[Any, ...], kind: str) -> bool:
    """Remove an optional key of a step; return whether that is possible."""
    for at, step in enumerate(path):
        if isinstance(said, dict) and isinstance(step, str) and step != "steps":
            if (kind == "extra_forbidden" and at == len(path) - 1) or step in _LOOSE:
                said.pop(step, None)
                return True
            return False
        try:
            said = said[step]
        except (KeyError, IndexError, TypeError):
            return False
    return False
