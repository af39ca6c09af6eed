"""The slots of ready-made conditions: accepted values, written as CEL literals and parsed back."""

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext

from flows.conditions import hours
from flows.settings import Text, parse_duration
from idp.foundation import addresses

SlotKind = Literal["text", "texts", "time", "duration", "symbol"]
_STRING = r'"(?:\\.|[^"\\\n])*"' + "|" + r"'(?:\\.|[^'\\\n])*'"
LITERAL_PATTERNS: dict[SlotKind, str] = {
    "text": _STRING,
    "texts": rf"\[\s*(?:(?:{_STRING})\s*,\s*)*(?:{_STRING})\s*\]",
    "time": r"\d{2}:\d{2}",
    "duration": r'"\d{1,6}[hms]"',
    "symbol": r"[a-z_][a-z0-9_]*",
}
_MAX_TEXTS = 50


class InvalidSlotValue(Exception):
    """A value does not fit its slot; ``slot`` is the slot's name, the message says what is expected."""

    def __init__(self, slot: str, message: Text) -> None:
        super().__init__(str(message))
        self.slot, self.message = slot, str(message)


@dataclass(frozen=True)
class Slot:
    """A value to fill in.

    ``source``: the tenant's objects that are offered for it (groups, applications, steps …). ``default``: the
    initial value as people type it.
    """

    name: str
    title: Text
    kind: SlotKind = "text"
    source: str = ""
    default: str = ""
    help: Text = ""


def format_literal(slot: Slot, value: str) -> str:
    """Return the typed value as a CEL literal; raise InvalidSlotValue."""
    if not value:
        raise InvalidSlotValue(slot.name, gettext("This field is required."))
    if slot.kind == "texts":
        texts = list(dict.fromkeys(part for each in value.split(",") if (part := each.strip())))
        if not 0 < len(texts) <= _MAX_TEXTS:
            raise InvalidSlotValue(
                slot.name, gettext("Enter 1 to %(most)d values, separated by commas.") % {"most": _MAX_TEXTS}
            )
        return f"[{', '.join(quote_string(_check_text(slot, each)) for each in texts)}]"
    if slot.kind == "time":
        try:
            return hours.format_time(hours.parse_time(value))
        except ValueError:
            raise InvalidSlotValue(slot.name, gettext("Enter a time such as 8:00 or 17:30.")) from None
    if slot.kind == "symbol":
        if not re.fullmatch(LITERAL_PATTERNS["symbol"], value):
            raise InvalidSlotValue(slot.name, gettext("Choose a step."))
        return value
    return quote_string(_duration(slot, value) if slot.kind == "duration" else _check_text(slot, value))


def _duration(slot: Slot, value: str) -> str:
    """Return the duration in CEL's units, which have no days."""
    try:
        seconds = int(parse_duration(value).total_seconds())
    except ValueError:
        raise InvalidSlotValue(slot.name, gettext("Enter a duration like 30s, 10m, 2h or 7d.")) from None
    unit, length = next(
        (unit, length) for unit, length in (("h", 3600), ("m", 60), ("s", 1)) if seconds % length == 0
    )
    return f"{seconds // length}{unit}"


def _check_text(slot: Slot, value: str) -> str:
    """Return the text if it is valid for the slot; raise InvalidSlotValue."""
    if len(value) > 200 or "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidSlotValue(slot.name, gettext("Enter at most 200 printable characters."))
    if slot.source == "networks":
        return _network(slot, value)
    if slot.source == "countries" and not re.fullmatch("[A-Z]{2}", value):
        raise InvalidSlotValue(slot.name, gettext("Use two-letter country codes in capitals, such as DE."))
    if slot.source == "zones" and value not in hours.all_time_zones():
        raise InvalidSlotValue(
            slot.name, gettext("Unknown time zone. Choose one from the list, such as Europe/Berlin.")
        )
    return value


def _network(slot: Slot, value: str) -> str:
    try:
        ipaddress.ip_network(value)  # strict, because host bits are usually a mistake
        return str(addresses.parse_network(value))
    except ValueError:
        raise InvalidSlotValue(
            slot.name,
            gettext("%(value)s isn't a valid network. Enter one like 10.0.0.0/8 or 2001:db8::/32.")
            % {"value": value[:50]},
        ) from None


def parse_literal(slot: Slot, literal: str) -> str:
    """Return the value as people type it; raise ValueError for a literal that could mean something else."""
    if slot.kind in ("time", "symbol"):
        return literal
    if slot.kind == "texts":
        texts = [_unquote(found[0]) for found in re.finditer(_STRING, literal)]
        if any("," in text or text != text.strip() for text in texts):
            raise ValueError(literal)
        return ", ".join(texts)
    text = _unquote(literal)
    if text != text.strip():
        raise ValueError(literal)
    return text


def _unquote(written: str) -> str:
    inner = written[1:-1] if written[0] == '"' else written[1:-1].replace("\\'", "'").replace('"', '\\"')
    value: Any = json.loads(f'"{inner}"')
    return str(value)


def display_value(slot: Slot, value: str) -> str:
    """Return the typed value as descriptions show it."""
    if slot.kind == "text" and slot.source != "zones":
        return f"“{value}”"
    return gettext(" or ").join(each.strip() for each in value.split(",")) if slot.kind == "texts" else value


def quote_string(text: str) -> str:
    """Return the text as a CEL string literal."""
    return json.dumps(text, ensure_ascii=False)
