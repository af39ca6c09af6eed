"""Messages about the keys of a document, as its form phrases them."""

from typing import Any

from pydantic import BaseModel

from blueprints.files.tags import SecretTag
from blueprints.objects.document import DOCUMENTS
from flows.validation_messages import describe_error
from idp.foundation.text import json_items


def error_message(model: type[BaseModel], error: Any) -> str:
    """Return a pydantic error as a sentence."""
    if isinstance(error.get("input"), SecretTag):
        return "!secret is only allowed for secrets."
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1 and error["loc"][0] in DOCUMENTS:
        return f"{error['loc'][0]} starts another document. Put --- before it."
    return describe_error(error, _known_keys(model, error["loc"][:-1]))


def _known_keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Return the keys of the model at this path, as far as the path is declared."""
    for step in path:
        kind = model.model_fields[step].annotation if step in model.model_fields else None
        inner = [
            each
            for each in (kind, *getattr(kind, "__args__", ()))
            if isinstance(each, type) and issubclass(each, BaseModel)
        ]
        if isinstance(step, str) and inner:
            model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def find_secret(value: Any, path: tuple[str | int, ...] = ()) -> tuple[str | int, ...]:
    """Return the path of a secret within a flow, or () if there is none.

    The settings of a flow accept any value, and a secret there would be stored and shown as it is written.
    """
    found = (
        (*path, key) if isinstance(each, SecretTag) else find_secret(each, (*path, key))
        for key, each in json_items(value)
    )
    return next((each for each in found if each), ())
