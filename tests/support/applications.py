"""Applications and scopes as a test needs them, stored as a blueprint stores them."""

from typing import Any, TypeVar

from idp.oauth import bulk
from idp.oauth.models import Application, Scope

_Row = TypeVar("_Row", Application, Scope)


def save_application(name: str, *, by: str, **values: Any) -> Application:
    """Create or change an application; raise ValidationError."""
    return _save(Application, name, by, {"title": name}, values)


def save_scope(name: str, *, by: str, **values: str) -> Scope:
    """Create or change a scope; raise ValidationError."""
    return _save(Scope, name, by, {}, values)


def _save(model: type[_Row], name: str, by: str, defaults: dict[str, str], values: dict[str, Any]) -> _Row:
    found = model.objects.filter(name=name).first()
    row = found or model(name=name, **defaults)
    for column, value in values.items():
        setattr(row, column, value)
    bulk.validate_row(row)
    if found:
        bulk.change(model, {name: values}, by=by)
    else:
        bulk.create([row], by=by)
    return model.objects.get(name=name)
