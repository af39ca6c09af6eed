"""Bulk changes of applications and scopes, for blueprints."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Cast, Concat

from idp.events.bus import publish_bulk
from idp.oauth import tokens
from idp.oauth.models import Application, Scope
from idp.tenancy.rows import write_columns

_BATCH = 500
_Row = TypeVar("_Row", Application, Scope)


def validate_row(row: _Row) -> _Row:
    """Return the row unchanged, or raise ValidationError for a value that it may not have.

    The database checks whether its name is taken.
    """
    row.clean_fields(exclude=["tenant"])
    row.clean()
    return row


@transaction.atomic
def create(rows: Sequence[_Row], *, by: str) -> None:
    """Store applications or scopes that passed :func:`validate_row`."""
    if rows:
        _rows_of(type(rows[0])).bulk_create(rows, batch_size=_BATCH)
        publish_bulk(f"{_event_area(type(rows[0]))}.created", [(row.name, "", "") for row in rows], actor=by)


@transaction.atomic
def change(model: type[_Row], changes: Mapping[str, Mapping[str, Any]], *, by: str) -> None:
    """Set these columns of applications or scopes, by name."""
    rows = {row.name: row for row in _rows_of(model).select_for_update().filter(name__in=changes)}
    for name, values in changes.items():
        for column, value in values.items():
            setattr(rows[name], column, value)
    columns = sorted({column for values in changes.values() for column in values})
    # freed first, because two applications may swap client IDs
    if "client_id" in columns:
        release_client_ids(
            Application.objects.filter(
                pk__in=[rows[name].pk for name, values in changes.items() if "client_id" in values]
            )
        )
    if rows and columns:
        write_columns(rows.values(), columns)
        publish_bulk(
            f"{_event_area(model)}.changed", [(name, "", "") for name in rows], actor=by, keys=changes
        )
        tokens.revoke_service_tokens(
            [rows[name].pk for name, values in changes.items() if "secret_hash" in values], by=by
        )


@transaction.atomic
def delete(model: type[_Row], names: Collection[str], *, by: str) -> None:
    """Delete applications or scopes, and with an application all its tokens and devices."""
    _rows_of(model).filter(name__in=names).delete()
    publish_bulk(f"{_event_area(model)}.deleted", [(name, "", "") for name in names], actor=by)


def release_client_ids(rows: "models.QuerySet[Application]") -> None:
    """Free the client IDs of these applications for others, until they are saved or deleted.

    The placeholder that they have until then is never valid in a request.
    """
    rows.update(client_id=Concat(Value(" "), Cast("pk", models.CharField())))


def owners_of_client_ids(client_ids: Collection[str]) -> dict[str, str]:
    """Return the names of the applications with these client IDs, by client ID."""
    requested = set(client_ids)
    rows = Application.objects.values_list("client_id", "name") if requested else ()
    return {client_id: name for client_id, name in rows if client_id in requested}


def _rows_of(model: type[_Row]) -> "models.Manager[Any]":
    return model.objects


def _event_area(model: type[_Row]) -> str:
    return "application" if model is Application else "scope"
