"""Ready-made conditions, which people fill in and read instead of CEL."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flows.conditions import hours
from flows.conditions.expressions import STRING_LITERAL
from flows.conditions.slots import (
    LITERAL_PATTERNS,
    InvalidSlotValue,
    Slot,
    display_value,
    format_literal,
    parse_literal,
)
from flows.settings import Text

_SLOT = re.compile(r"\{(\w+)\}")
_LINE_END = "\n"  # ends a comment, which would otherwise include the bracket


@dataclass(frozen=True)
class Preset:
    """A condition with slots.

    ``cel`` and ``description`` name the slots in braces: the stored form and its description.

    ``writer`` and ``reader`` replace ``cel`` where the stored form depends on the values; each value is a CEL
    literal.
    """

    name: str
    title: Text
    description: Text
    cel: str
    slots: tuple[Slot, ...] = ()
    writer: Callable[[Mapping[str, str]], str] | None = None
    reader: Callable[[str], Mapping[str, str] | None] | None = None


@dataclass(frozen=True)
class FilledPreset:
    """A ready-made condition with the values of its slots, as people type them."""

    preset: Preset
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.preset.description).format_map(
            {slot.name: display_value(slot, self.values[slot.name]) for slot in self.preset.slots}
        )


_GROUP = Slot("group", _("Group"), source="groups")
_NETWORKS = Slot(
    "networks",
    _("Networks"),
    "texts",
    "networks",
    help=_("For example 10.0.0.0/8. Separate several with commas."),
)
_KIND = Slot("kind", _("Sign-in method"), source="credentials", default="totp")
_ZONE = Slot("zone", _("Time zone"), source="zones", default="UTC")
_COUNTRIES = Slot(
    "countries", _("Countries"), "texts", "countries", help=_("Two-letter codes, for example DE, AT.")
)
_STEP = Slot("step", _("Step"), "symbol", "steps")
_AGE = Slot("age", _("Longer than"), "duration", default="1h", help=_("For example 10m, 2h or 7d."))

_ALL = (
    Preset("in_group", _("Is in a group"), _("in the group {group}"), "{group} in person.groups", (_GROUP,)),
    Preset(
        "not_in_group",
        _("Is not in a group"),
        _("not in the group {group}"),
        "!({group} in person.groups)",
        (_GROUP,),
    ),
    Preset("admin", _("Is an administrator"), _("for administrators"), "person.admin"),
    Preset(
        "from_own",
        _("From trusted networks"),
        _("from trusted networks"),
        "request.ip.within(tenant.networks)",
    ),
    Preset(
        "not_from_own",
        _("Outside trusted networks"),
        _("outside trusted networks"),
        "!request.ip.within(tenant.networks)",
    ),
    Preset(
        "from_network",
        _("From a network"),
        _("from {networks}"),
        "request.ip.within({networks})",
        (_NETWORKS,),
    ),
    Preset(
        "not_from_network",
        _("Not from a network"),
        _("not from {networks}"),
        "!request.ip.within({networks})",
        (_NETWORKS,),
    ),
    Preset(
        "from_country",
        _("From a country"),
        _("from {countries}"),
        "request.country in {countries}",
        (_COUNTRIES,),
    ),
    Preset(
        "not_from_country",
        _("Not from a country"),
        _("not from {countries}"),
        "!(request.country in {countries})",
        (_COUNTRIES,),
    ),
    Preset(
        "application",
        _("For an application"),
        _("for the application {application}"),
        "application.client_id == {application}",
        (Slot("application", _("Application"), source="applications"),),
    ),
    Preset(
        "unverified",
        _("For an unverified application"),
        _("for an unverified application"),
        "!application.verified",
    ),
    Preset("second_factor", _("Second factor verified"), _("with a second factor"), "second_factor.present"),
    Preset(
        "no_second_factor",
        _("Second factor not verified"),
        _("without a second factor"),
        "!second_factor.present",
    ),
    Preset(
        "holds",
        _("Has sign-in method"),
        _("with {kind} set up"),
        "{kind} in person.credentials",
        (_KIND,),
    ),
    Preset(
        "lacks",
        _("Doesn't have sign-in method"),
        _("without {kind} set up"),
        "!({kind} in person.credentials)",
        (_KIND,),
    ),
    Preset(
        "new_browser",
        _("Not signed in in this browser"),
        _("when not signed in in this browser"),
        "!session.active",
    ),
    Preset(
        "old_session",
        _("Session older than"),
        _("signed in over {age} ago"),
        "session.age > duration({age})",
        (_AGE,),
    ),
    Preset(
        "strange_device",
        _("Device on a different network"),
        _("for a device on a different network"),
        '!(device.same_network || device.address == "")',
    ),
    Preset(
        "slow_device",
        _("Device request older than"),
        _("for a device request older than {age}"),
        "device.age > duration({age})",
        (_AGE,),
    ),
    Preset(
        "after_hours",
        _("Outside working hours"),
        _("outside {start}–{end} ({zone})"),
        "",
        (
            Slot("start", _("Working hours start"), "time", default="08:00"),
            Slot(
                "end",
                _("Working hours end"),
                "time",
                default="18:00",
                help=_("If earlier than the start, working hours span midnight."),
            ),
            _ZONE,
        ),
        writer=hours.outside_hours_condition,
        reader=hours.parse_outside_hours,
    ),
    Preset(
        "weekend",
        _("On weekends"),
        _("on weekends ({zone})"),
        "request.time.getDayOfWeek({zone}) in [0, 6]",
        (_ZONE,),
    ),
    Preset(
        "chosen",
        _("Earlier choice is"),
        _("if {value} was chosen in {step}"),
        "steps.{step}.choice == {value}",
        (Slot("step", _("Step"), "symbol", "choices"), Slot("value", _("Answer"), source="answers")),
    ),
    Preset(
        "not_chosen",
        _("Earlier choice is not"),
        _("if {value} was not chosen in {step}"),
        "steps.{step}.choice != {value}",
        (Slot("step", _("Step"), "symbol", "choices"), Slot("value", _("Answer"), source="answers")),
    ),
    Preset(
        "refused",
        _("Earlier step failed"),
        _("if {step} failed"),
        'steps.{step}.decision == "refused"',
        (_STEP,),
    ),
    Preset(
        "passed",
        _("Earlier step passed"),
        _("if {step} passed"),
        'steps.{step}.decision == "done"',
        (_STEP,),
    ),
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ALL}


def fill_preset(name: str, values: Mapping[str, str]) -> str:
    """Return the condition in CEL; raise InvalidSlotValue.

    Each value becomes exactly one literal, so typed text cannot escape from it.
    """
    preset = PRESETS[name]
    written = {slot.name: format_literal(slot, values.get(slot.name, "").strip()) for slot in preset.slots}
    if preset.writer is None:
        return _SLOT.sub(lambda gap: written[gap[1]], preset.cel)
    try:
        return preset.writer(written)
    except ValueError:
        raise InvalidSlotValue("end", gettext("The end must differ from the start.")) from None


def match_preset(source: str) -> FilledPreset | None:
    """Return the ready-made condition that matches this source; None for a custom one."""
    for preset in PRESETS.values():
        if (match := _match(preset, source.strip())) is not None:
            try:
                values = {slot.name: parse_literal(slot, match[slot.name]) for slot in preset.slots}
                fill_preset(preset.name, values)
            except (ValueError, InvalidSlotValue):
                continue
            return FilledPreset(preset, values)
    return None


def split_conjunction(source: str) -> list[str]:
    """Return the conditions that must all hold, one by one; [] for none.

    A condition that cannot be split safely stays whole.
    """
    text = source.strip()
    operators = list(_iter_operators(_mask_literals(text)))
    if not text or "//" in _mask_literals(text) or any(operator != "&&" for operator, _at in operators):
        return [text] if text else []
    edges = [-2, *(at for _operator, at in operators), len(text)]
    parts = [text[start + 2 : end].strip() for start, end in pairwise(edges)]
    return [_strip_brackets(part) for part in parts] if all(parts) else [text]


def join_conjunction(parts: Iterable[str]) -> str:
    """Return the condition that holds where all of these do."""
    conditions = [part.strip() for part in parts if part.strip()]
    if len(conditions) == 1:
        return conditions[0]
    return " && ".join(_bracketed(part) if _is_compound(part) else part for part in conditions)


def _bracketed(part: str) -> str:
    """Return a part in brackets; a comment in it must end before the closing one."""
    end = _LINE_END if "//" in _mask_literals(part) else ""
    return f"({part}{end})"


def describe_condition(source: str) -> list[tuple[str, bool]]:
    """Return each part of a conjunction as text: its description, or CEL (True) where no preset matches."""
    return [
        (str(found), False) if (found := match_preset(part)) else (part, True)
        for part in split_conjunction(source)
    ]


def _is_compound(part: str) -> bool:
    masked = _mask_literals(part)
    return (
        "//" in masked or "\n" in masked or any(operator != "&&" for operator, _at in _iter_operators(masked))
    )


def _mask_literals(text: str) -> str:
    """Return the text with the contents of its string literals masked, every character at its position."""
    return STRING_LITERAL.sub(lambda literal: "_" * len(literal[0]), text)


def _iter_operators(masked: str) -> Iterator[tuple[str, int]]:
    """Yield each ``&&``, ``||`` and ``?`` outside all brackets, with its position."""
    depth = 0
    for at, char in enumerate(masked):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and (masked[at : at + 2] in ("&&", "||") or char == "?"):
            yield ("?" if char == "?" else masked[at : at + 2]), at


def _strip_brackets(part: str) -> str:
    """Return the condition without outer brackets, if they only group it."""
    masked, depth = _mask_literals(part), 0
    if not (masked.startswith("(") and masked.endswith(")")):
        return part
    for at, char in enumerate(masked):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return part[1:-1].strip() if at == len(masked) - 1 else part
    return part


_patterns: dict[str, re.Pattern[str]] = {}


def _match(preset: Preset, source: str) -> Mapping[str, str] | None:
    """Return the values of the slots as CEL literals; None where the source does not match."""
    if preset.reader:
        return preset.reader(source)
    found = _pattern(preset).fullmatch(source)
    return found.groupdict() if found else None


def _pattern(preset: Preset) -> re.Pattern[str]:
    """Return the pattern of the preset's CEL in any spacing."""
    if preset.name not in _patterns:
        kinds, seen, text = {slot.name: slot.kind for slot in preset.slots}, set[str](), ""
        for at, piece in enumerate(_SLOT.split(preset.cel)):
            if at % 2 == 0:
                text += r"\s*".join(re.escape(word) for word in re.split(r"\s+", piece))
            else:
                text += f"(?P={piece})" if piece in seen else f"(?P<{piece}>{LITERAL_PATTERNS[kinds[piece]]})"
                seen.add(piece)
        _patterns[preset.name] = re.compile(text)
    return _patterns[preset.name]
