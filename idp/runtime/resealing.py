"""Re-encrypts every SealedField of every table; the columns are found from the models."""

from collections.abc import Iterator

from django.apps import apps
from django.db import DatabaseError, connection, models

from idp.foundation.sealing import SealedField, Unsealable, is_current, seal, unseal


def reseal(batch: int = 500) -> dict[str, int]:
    """Re-encrypt every value that is sealed under another accepted key, and return how many by column.

    Raise Unsealable, before anything is written in that column, when no accepted key reads one.
    """
    done: dict[str, int] = {}
    for model, field in _sealed_columns():
        name = f"{model._meta.db_table}.{field.column}"
        done[name] = 0
        for pk, stored in _rows(model, field, batch):
            if is_current(stored):
                continue
            sealed = seal(unseal(stored))
            changed = (
                # names of Foyer's own models
                f"UPDATE {_quote(model._meta.db_table)} SET {_quote(field.column)} = %s WHERE id = "  # noqa: S608
                f"%s AND {_quote(field.column)} = %s"
            )
            with connection.cursor() as cursor:
                cursor.execute(changed, [sealed, pk, stored])
                done[name] += cursor.rowcount
    return done


def count_unreadable(batch: int = 500) -> dict[str, int]:
    """Return how many values of each sealed column no accepted key can decrypt."""
    return {
        f"{model._meta.db_table}.{field.column}": sum(
            not _readable(stored) for _, stored in _rows(model, field, batch)
        )
        for model, field in _sealed_columns()
    }


def is_key_mismatched() -> bool:
    """Return whether there are sealed values, but no column's newest one can be decrypted.

    Older values may be unreadable for good reason: their key was lost, and later values are sealed under
    another.
    """
    readable: set[bool] = set()
    try:
        for model, field in _sealed_columns():
            newest = (
                # names of Foyer's own models
                f"SELECT {_quote(field.column)} FROM {_quote(model._meta.db_table)} "  # noqa: S608
                f"WHERE {_quote(field.column)} <> '' ORDER BY id DESC LIMIT 1"
            )
            with connection.cursor() as cursor:
                cursor.execute(newest)
                readable |= {_readable(stored) for (stored,) in cursor.fetchall()}
    except DatabaseError:
        return False  # no tables or no database; the next step reports it
    return readable == {False}


def _sealed_columns() -> Iterator[tuple[type[models.Model], SealedField]]:
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, SealedField):
                yield model, field


def _rows(model: type[models.Model], field: SealedField, batch: int) -> Iterator[tuple[int, str]]:
    """Yield key and ciphertext, bypassing the field's own decryption."""
    last = 0
    select = (
        # names of Foyer's own models
        f"SELECT id, {_quote(field.column)} FROM {_quote(model._meta.db_table)} "  # noqa: S608
        f"WHERE id > %s AND {_quote(field.column)} <> '' ORDER BY id LIMIT {batch}"
    )
    while True:
        with connection.cursor() as cursor:
            cursor.execute(select, [last])
            rows = cursor.fetchall()
        if not rows:
            return
        yield from rows
        last = rows[-1][0]


def _readable(stored: str) -> bool:
    try:
        unseal(stored)
    except Unsealable:
        return False
    return True


def _quote(name: str | None) -> str:
    return connection.ops.quote_name(name or "")
