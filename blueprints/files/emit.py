"""Write documents as YAML that reads back as the same documents, with ``!secret NAME`` for secrets."""

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from blueprints.files.tags import SecretTag
from idp.foundation.yaml_text import Tagged, write


def emit(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the documents as the YAML of one file."""
    return write(*(_with_tags(document) for document in documents))


def order_keys(model: Any, value: Any) -> Any:
    """Return the same values with their keys in the order in which the model declares them.

    The keys of open mappings are sorted by name, because no database preserves another order.
    """
    if isinstance(value, Mapping):
        declared = _model_of(model)
        if declared is None:
            inner = [each for each in get_args(model) if get_origin(each) or isinstance(each, type)][-1:]
            return {key: order_keys(inner[0] if inner else None, value[key]) for key in sorted(value)}
        fields = {field.alias or name: field.annotation for name, field in declared.model_fields.items()}
        known = {key: order_keys(fields[key], value[key]) for key in fields if key in value}
        return {**known, **{key: value[key] for key in value if key not in known}}
    if isinstance(value, list | tuple):
        inner = _item_types(model)
        return [order_keys(inner[0] if inner else None, each) for each in value]
    return value


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return next((found for each in inner if (found := _model_of(each))), None)


def _item_types(annotation: Any) -> list[Any]:
    """Return the item type of a list annotation, also behind ``| None``."""
    if get_origin(annotation) in (Union, UnionType):
        return next((found for each in get_args(annotation) if (found := _item_types(each))), [])
    return [each for each in get_args(annotation) if each is not Ellipsis]


def _with_tags(value: Any) -> Any:
    if isinstance(value, SecretTag):
        return Tagged("secret", value.name)
    if isinstance(value, Mapping):
        return {key: _with_tags(each) for key, each in value.items()}
    return [_with_tags(each) for each in value] if isinstance(value, list | tuple) else value
