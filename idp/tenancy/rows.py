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
