"""Ready-made conditions: what one fills in instead of typing CEL, and what one reads instead of CEL."""

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy as _

from flows.conditions import hours
from flows.conditions.expressions import LITERAL
from flows.settings import Text, parse_duration
from idp.foundation import addresses

SlotKind = Literal["text", "texts", "time", "duration", "symbol"]
_SLOT = re.compile(r"\{(\w+)\}")
_TEXT = r'"(?:\\.|[^"\\\n])*"' + "|" + r"'(?:\\.|[^'\\\n])*'"
_WRITTEN: dict[SlotKind, str] = {
    "text": _TEXT,
    "texts": rf"\[\s*(?:(?:{_TEXT})\s*,\s*)*(?:{_TEXT})\s*\]",
    "time": r"\d{2}:\d{2}",
    "duration": r'"\d{1,6}[hms]"',
    "symbol": r"[a-z_][a-z0-9_]*",
}
_MOST = 50
_LINE_END = "\n"  # a comment ends with its line, and would swallow the bracket


class BadSlot(Exception):
    """What was filled in makes no condition; ``slot`` is where, the message says what belongs there."""

    def __init__(self, slot: str, message: Text) -> None:
        super().__init__(str(message))
        self.slot, self.message = slot, str(message)


@dataclass(frozen=True)
class Slot:
    """One thing to fill in.

    ``source``: what of the tenant may stand there (groups, applications, steps …); ``default`` as it is
    typed.
    """

    name: str
    title: Text
    kind: SlotKind = "text"
    source: str = ""
    default: str = ""
    help: Text = ""


@dataclass(frozen=True)
class Preset:
    """A condition with gaps.

    ``cel`` and ``says`` name the slots in braces: what is stored, and the same in words.

    ``writes`` and ``reads``, in place of ``cel``: how it is stored depends on what is filled in, each value
    as it is written in CEL.
    """

    name: str
    title: Text
    says: Text
    cel: str
    slots: tuple[Slot, ...] = ()
    writes: Callable[[Mapping[str, str]], str] | None = None
    reads: Callable[[str], Mapping[str, str] | None] | None = None


@dataclass(frozen=True)
class Filled:
    """A ready-made condition with what stands in its gaps, as it is typed."""

    preset: Preset
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.preset.says).format_map(
            {slot.name: _spoken(slot, self.values[slot.name]) for slot in self.preset.slots}
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
        writes=hours.outside,
        reads=hours.read,
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


def fill(name: str, values: Mapping[str, str]) -> str:
    """The condition in CEL; raises BadSlot.

    A value is always one literal: nothing that is typed breaks out of it.
    """
    preset = PRESETS[name]
    written = {slot.name: _write(slot, values.get(slot.name, "").strip()) for slot in preset.slots}
    if preset.writes is None:
        return _SLOT.sub(lambda gap: written[gap[1]], preset.cel)
    try:
        return preset.writes(written)
    except ValueError:
        raise BadSlot("end", now("The end must differ from the start.")) from None


def recognise(source: str) -> Filled | None:
    """The ready-made condition that this is, None where somebody wrote another."""
    for preset in PRESETS.values():
        if (match := _match(preset, source.strip())) is not None:
            try:
                values = {slot.name: _read(slot, match[slot.name]) for slot in preset.slots}
                fill(preset.name, values)
            except (ValueError, BadSlot):
                continue
            return Filled(preset, values)
    return None


def split(source: str) -> list[str]:
    """The conditions that must all hold, each for itself; [] for none.

    What cannot be taken apart safely stays whole.
    """
    text = source.strip()
    marks = list(_marks(_bare(text)))
    if not text or "//" in _bare(text) or any(mark != "&&" for mark, _at in marks):
        return [text] if text else []
    edges = [-2, *(at for _mark, at in marks), len(text)]
    parts = [text[start + 2 : end].strip() for start, end in pairwise(edges)]
    return [_opened(part) for part in parts] if all(parts) else [text]


def join(parts: Iterable[str]) -> str:
    """All of these must hold."""
    given = [part.strip() for part in parts if part.strip()]
    if len(given) == 1:
        return given[0]
    return " && ".join(
        f"({part}{_LINE_END if '//' in _bare(part) else ''})" if _is_compound(part) else part
        for part in given
    )


def in_words(source: str) -> list[tuple[str, bool]]:
    """What must hold, part by part: a sentence, or CEL where no words were made for it (True)."""
    return [(str(found), False) if (found := recognise(part)) else (part, True) for part in split(source)]


def _is_compound(part: str) -> bool:
    bare = _bare(part)
    return "//" in bare or "\n" in bare or any(mark != "&&" for mark, _at in _marks(bare))


def _bare(text: str) -> str:
    """The same without what stands in quotes, each at its place."""
    return LITERAL.sub(lambda literal: "_" * len(literal[0]), text)


def _marks(bare: str) -> Iterator[tuple[str, int]]:
    """Where ``&&``, ``||`` and ``?`` stand outside of all brackets."""
    depth = 0
    for at, letter in enumerate(bare):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and (bare[at : at + 2] in ("&&", "||") or letter == "?"):
            yield ("?" if letter == "?" else bare[at : at + 2]), at


def _opened(part: str) -> str:
    """Without the brackets around all of it, if they only hold something together."""
    bare, depth = _bare(part), 0
    if not (bare.startswith("(") and bare.endswith(")")):
        return part
    for at, letter in enumerate(bare):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return part[1:-1].strip() if at == len(bare) - 1 else part
    return part


_patterns: dict[str, re.Pattern[str]] = {}


def _match(preset: Preset, source: str) -> Mapping[str, str] | None:
    """What stands in the gaps, as it is written."""
    if preset.reads:
        return preset.reads(source)
    found = _pattern(preset).fullmatch(source)
    return found.groupdict() if found else None


def _pattern(preset: Preset) -> re.Pattern[str]:
    """How it looks in CEL, however it is spaced."""
    if preset.name not in _patterns:
        kinds, seen, text = {slot.name: slot.kind for slot in preset.slots}, set[str](), ""
        for at, piece in enumerate(_SLOT.split(preset.cel)):
            if at % 2 == 0:
                text += r"\s*".join(re.escape(word) for word in re.split(r"\s+", piece))
            else:
                text += f"(?P={piece})" if piece in seen else f"(?P<{piece}>{_WRITTEN[kinds[piece]]})"
                seen.add(piece)
        _patterns[preset.name] = re.compile(text)
    return _patterns[preset.name]


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _write(slot: Slot, value: str) -> str:
    if not value:
        raise BadSlot(slot.name, now("This field is required."))
    if slot.kind == "texts":
        texts = list(dict.fromkeys(part for each in value.split(",") if (part := each.strip())))
        if not 0 < len(texts) <= _MOST:
            raise BadSlot(
                slot.name, now("Enter 1 to %(most)d values, separated by commas.") % {"most": _MOST}
            )
        return f"[{', '.join(_literal(_checked(slot, each)) for each in texts)}]"
    if slot.kind == "time":
        try:
            return hours.shown(hours.minutes(value))
        except ValueError:
            raise BadSlot(slot.name, now("Enter a time such as 8:00 or 17:30.")) from None
    if slot.kind == "symbol":
        if not re.fullmatch(_WRITTEN["symbol"], value):
            raise BadSlot(slot.name, now("Choose a step."))
        return value
    return _literal(_duration(slot, value) if slot.kind == "duration" else _checked(slot, value))


def _duration(slot: Slot, value: str) -> str:
    """CEL knows no days."""
    try:
        seconds = int(parse_duration(value).total_seconds())
    except ValueError:
        raise BadSlot(slot.name, now("Enter a duration like 30s, 10m, 2h or 7d.")) from None
    unit, length = next(
        (unit, length) for unit, length in (("h", 3600), ("m", 60), ("s", 1)) if seconds % length == 0
    )
    return f"{seconds // length}{unit}"


def _checked(slot: Slot, value: str) -> str:
    """The text, if it can be what belongs there."""
    if len(value) > 200 or "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadSlot(slot.name, now("Enter at most 200 printable characters."))
    if slot.source == "networks":
        return _network(slot, value)
    if slot.source == "countries" and not re.fullmatch("[A-Z]{2}", value):
        raise BadSlot(slot.name, now("Use two-letter country codes in capitals, such as DE."))
    if slot.source == "zones" and value not in hours.every_zone():
        raise BadSlot(slot.name, now("Unknown time zone. Choose one from the list, such as Europe/Berlin."))
    return value


def _network(slot: Slot, value: str) -> str:
    try:
        ipaddress.ip_network(value)  # strictly: with bits beside the network it is most often a mistake
        return str(addresses.network(value))
    except ValueError:
        raise BadSlot(
            slot.name,
            now("%(value)s isn't a valid network. Enter one like 10.0.0.0/8 or 2001:db8::/32.")
            % {"value": value[:50]},
        ) from None


def _read(slot: Slot, written: str) -> str:
    """What was typed; raises ValueError for a literal that could mean something else."""
    if slot.kind in ("time", "symbol"):
        return written
    if slot.kind == "texts":
        texts = [_unquoted(found[0]) for found in re.finditer(_TEXT, written)]
        if any("," in text or text != text.strip() for text in texts):
            raise ValueError(written)
        return ", ".join(texts)
    text = _unquoted(written)
    if text != text.strip():
        raise ValueError(written)
    return text


def _unquoted(written: str) -> str:
    inner = written[1:-1] if written[0] == '"' else written[1:-1].replace("\\'", "'").replace('"', '\\"')
    value: Any = json.loads(f'"{inner}"')
    return str(value)


def _spoken(slot: Slot, value: str) -> str:
    if slot.kind == "text" and slot.source != "zones":
        return f"“{value}”"
    return now(" or ").join(each.strip() for each in value.split(",")) if slot.kind == "texts" else value
