"""Writes many rows with different values in one prepared statement."""

from collections.abc import Collection, Iterable

from django.db import connection, models


def write_columns(rows: Iterable[models.Model], columns: Collection[str]) -> None:
    """Update these fields of existing rows of one model.

    Django's ``bulk_update`` writes one condition for each row and field, which takes three times as long. On
    SQLite a writer blocks all others.
    """
    some = list(rows)
    if not some or not columns:
        return
    concrete = {field.name: field for field in some[0]._meta.concrete_fields}
    fields, quote = [concrete[column] for column in columns], connection.ops.quote_name
    sets = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    key = some[0]._meta.pk
    # names of Foyer's own models
    statement = f"UPDATE {quote(some[0]._meta.db_table)} SET {sets} WHERE {quote(str(key.column))} = %s"  # noqa: S608
    values = [
        [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields), row.pk]
        for row in some
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)


def insert_rows(rows: Collection[models.Model]) -> None:
    """Insert new rows of one model exactly as they are; no keys are returned.

    ``bulk_create`` would set ``created_at`` to the current time.
    """
    if not rows:
        return
    model, quote = type(next(iter(rows))), connection.ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names, places = ", ".join(quote(str(field.column)) for field in fields), ", ".join(["%s"] * len(fields))
    # names of Foyer's own models
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields] for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)
