"""Shared behavior of stage settings: frozen, unknown keys refused, durations such as ``10m``."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from django.utils.functional import Promise
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

Text = str | Promise
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"\A(\d{1,6})([smhd])\Z")


def setting(default: Any, *, title: Text, **bounds: Any) -> Any:
    """Return a declared setting: a default, a lazily translated title, and pydantic's bounds (``ge`` …)."""
    # # pydantic keeps a lazy title as it is
    return Field(default, title=title, **bounds)  # type: ignore[arg-type]


def resolve_lazy_text(schema: Any) -> Any:
    """Return the schema with every lazy text resolved in the active language.

    Pydantic leaves lazy texts as they are, and JSON cannot hold them.
    """
    if isinstance(schema, Promise):
        return str(schema)
    if isinstance(schema, Mapping):
        return {key: resolve_lazy_text(item) for key, item in schema.items()}
    return [resolve_lazy_text(item) for item in schema] if isinstance(schema, list | tuple) else schema


class StageSettings(BaseModel):
    """Base of a stage's ``Settings``.

    They grow only by fields with a default; a rename goes through ``Stage.upgrade``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def parse_duration(value: Any) -> timedelta:
    """Return the duration in ``30s``, ``10m``, ``2h`` or ``7d``; raise ValueError for other values."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("enter a duration like 30s, 10m, 2h or 7d")
    return timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])


def format_duration(value: timedelta) -> str:
    """Return the shortest form of a duration: 600 seconds are ``10m``."""
    seconds = int(value.total_seconds())
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNIT_SECONDS[unit] == 0)
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}[smhd]$", "examples": ["10m"]}),
]
