"""Each ready-made condition compiles, says what it means and is recognized again.

No value that is typed breaks out of it.
"""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flows.conditions.expressions import compile_condition
from flows.conditions.hours import DAY, format_time, offered_time_zones
from flows.conditions.presets import (
    PRESETS,
    FilledPreset,
    describe_condition,
    fill_preset,
    join_conjunction,
    match_preset,
    split_conjunction,
)
from flows.conditions.slots import InvalidSlotValue
from flows.conditions.warnings import find_warnings

GOOD = {
    "group": "staff",
    "networks": "10.0.0.0/8, 2001:db8::/32",
    "kind": "totp",
    "zone": "Europe/Berlin",
    "countries": "DE, AT",
    "application": "tv",
    "step": "how",
    "value": "home",
    "age": "7d",
    "start": "08:00",
    "end": "18:00",
}
EARLIER: Any = frozenset({("how.choice", "string"), ("how.decision", "string")})
HOSTILE = [
    '"',
    "\\",
    '" || true || "',
    "' || true || '",
    '\\"',
    "\\\\",
    "a\nb",
    "{group}",
    "é\u2028\U0001f600",
    '"""',
    "//",
    "#",
]


@pytest.mark.parametrize("name", PRESETS)
def test_each_compiles_says_something_and_is_found_again(name: str) -> None:
    """A preset that is filled in, saved and opened again has the same fields with the same values.

    It is shown as a sentence instead of CEL.
    """
    source = fill_preset(name, GOOD)
    assert compile_condition(source, EARLIER).source == source
    found = match_preset(source)
    assert found is not None
    assert found.preset.name == name
    assert fill_preset(name, found.values) == source
    assert "{" not in str(found)
    assert describe_condition(source) == [(str(found), False)]


@pytest.mark.parametrize("name", PRESETS)
def test_it_is_found_however_it_is_spaced(name: str) -> None:
    """The same condition typed manually is shown as the same sentence."""
    source = fill_preset(name, GOOD)
    for typed in (f"  {source} ", source.replace(" ", "  "), source.replace(" ", "\n")):
        found = match_preset(typed)
        assert found is not None
        assert found.preset.name == name


@pytest.mark.parametrize("typed", HOSTILE)
@pytest.mark.parametrize("name", ["in_group", "application", "holds"])
def test_a_value_never_breaks_out(name: str, typed: str) -> None:
    """It is one literal that says what was typed, and the condition holds for exactly that text."""
    values = {slot.name: typed for slot in PRESETS[name].slots}
    source = fill_preset(name, values)
    assert len(split_conjunction(source)) == 1
    found = match_preset(source)
    assert found is not None
    assert list(found.values.values()) == [typed.strip()]
    assert compile_condition(source).names == compile_condition(fill_preset(name, GOOD)).names


@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
    ).filter(str.strip)
)
def test_any_text_is_one_literal(typed: str) -> None:
    """Any generated text is one literal that says what was typed."""
    source = fill_preset("in_group", {"group": typed})
    program = compile_condition(source).program
    assert program.eval(data={"person.groups": [typed.strip()]}).value() is True
    assert program.eval(data={"person.groups": [typed.strip() + "x"]}).value() is False


@pytest.mark.parametrize(
    ("name", "slot", "typed", "said"),
    [
        ("in_group", "group", " ", "This field is required"),
        ("in_group", "group", "x" * 201, "200 printable characters"),
        ("in_group", "group", "a\0b", "printable characters"),
        ("in_group", "group", "\ud800", "printable characters"),
        ("from_network", "networks", "10.0.0.1/8", "isn't a valid network"),
        ("from_network", "networks", '10.0.0.0/8"], x', "isn't a valid network"),
        ("from_network", "networks", ", ,", "Enter 1 to 50"),
        ("from_country", "countries", "Germany", "two-letter country codes"),
        ("after_hours", "start", "25", "Enter a time such as"),
        ("after_hours", "start", "7:60", "Enter a time such as"),
        ("after_hours", "start", "24:30", "Enter a time such as"),
        ("after_hours", "end", "-1", "Enter a time such as"),
        ("after_hours", "end", "8", "The end must differ"),
        ("after_hours", "zone", "Europe/Atlantis", "Unknown time zone"),
        ("old_session", "age", "soon", "duration like 30s"),
        ("chosen", "step", "how.choice || true", "Choose a step"),
    ],
)
def test_what_makes_no_condition_is_said_at_its_field(name: str, slot: str, typed: str, said: str) -> None:
    """The error is shown at its field before anything is saved."""
    with pytest.raises(InvalidSlotValue, match=said) as refused:
        fill_preset(name, {**GOOD, slot: typed})
    assert refused.value.slot == slot


@pytest.mark.parametrize(
    "source",
    [
        '"a" in person.groups || true',
        'r"a" in person.groups',
        '("a" in person.groups)',
        "person.groups == []",
        'request.ip.within(["10.0.0.1/8"])',
        'request.time.getHours("UTC") < 8 || request.time.getHours("Europe/Berlin") >= 18',
        'request.time.getHours("UTC") < 22 || request.time.getHours("UTC") >= 6',
        'request.time.getHours("UTC") < 8 || request.time.getHours("UTC") >= 25',
        'request.time.getHours("UTC") < 0 || request.time.getHours("UTC") >= 24',
        '!(request.time.getHours("UTC") < 22 || request.time.getHours("UTC") >= 6)',
        'request.time.getHours("UTC") * 60 + request.time.getMinutes("Europe/Berlin") < 7 * 60 + 30 || '
        'request.time.getHours("UTC") * 60 + request.time.getMinutes("UTC") >= 17 * 60 + 0',
        'request.time.getHours("Europe/Atlantis") < 8 || request.time.getHours("Europe/Atlantis") >= 18',
        'request.ip.within(["a,b"])',
        "",
    ],
)
def test_what_is_not_ready_made_stays_what_it_is(source: str) -> None:
    """A condition is never shown as a sentence that says something else."""
    assert match_preset(source) is None


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("", []),
        ("true", ["true"]),
        ("a && b", ["a", "b"]),
        ("(a || b) && !c", ["a || b", "!c"]),
        ("a || b && c", ["a || b && c"]),
        ("a ? b : c && d", ["a ? b : c && d"]),
        ('"a && b" in x && y', ['"a && b" in x', "y"]),
        ("'(' in x && y", ["'(' in x", "y"]),
        ("x.exists(y, y && z) && w", ["x.exists(y, y && z)", "w"]),
        ("(a) && (b && c)", ["a", "b && c"]),
        ("(a) || (b)", ["(a) || (b)"]),
        ("a // && b\n&& c", ["a // && b\n&& c"]),
        ("a && ", ["a &&"]),
        ("&& a", ["&& a"]),
    ],
)
def test_conditions_are_taken_apart_only_where_all_must_hold(source: str, parts: list[str]) -> None:
    """Quotes, brackets and comments hide nothing."""
    assert split_conjunction(source) == parts


@pytest.mark.parametrize(
    "parts", [["a"], ["a", "b || c"], ["a || b", "c ? d : e"], ["x // c", "y"], ["a && b", "c"]]
)
def test_conditions_are_put_together_so_that_each_keeps_its_meaning(parts: list[str]) -> None:
    """An "or" gets its parentheses, a comment its line."""
    words = [word for part in parts for word in part.replace("(", " ").split()]
    names = [word for word in words if word.isalpha() and len(word) == 1]
    together = join_conjunction(parts)
    assert all(name in together for name in names)
    if "//" not in together:
        assert [piece for part in parts for piece in split_conjunction(part)] == [
            piece for part in split_conjunction(together) for piece in split_conjunction(part)
        ]


def test_a_comment_swallows_nothing() -> None:
    """``true // x`` and ``false`` is false."""
    assert compile_condition(join_conjunction(["true // x", "false"])).program.eval(data={}).value() is False


def test_a_whole_condition_in_words() -> None:
    """Each operand is described, and one without a description is shown as it is written."""
    source = '"staff" in person.groups && !request.ip.within(tenant.networks) && person.email.endsWith("x")'
    assert describe_condition(source) == [
        ("in the group “staff”", False),
        ("outside trusted networks", False),
        ('person.email.endsWith("x")', True),
    ]
    assert isinstance(match_preset(fill_preset("after_hours", GOOD)), FilledPreset)


TIMES = st.integers(0, 24 * 60 - 1)


def holds(source: str, minute: int, zone: str) -> bool:
    """Return whether the condition holds at this minute of a day in this zone."""
    at = datetime(2026, 3, 11, tzinfo=ZoneInfo(zone)) + timedelta(minutes=minute)
    return compile_condition(source).program.eval(data={"request.time": at}).value() is True


@given(
    start=TIMES,
    end=TIMES,
    minute=TIMES,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"]),
)
def test_outside_of_working_hours_is_what_a_clock_says(start: int, end: int, minute: int, zone: str) -> None:
    """Outside is every minute that is not within, to the minute and over midnight.

    The form shows again what was filled in.
    """
    assume(start != end)
    source = fill_preset("after_hours", {"start": format_time(start), "end": format_time(end), "zone": zone})
    for at in {minute, start, end, (start - 1) % DAY, (end - 1) % DAY}:
        works = start <= at < end if start < end else at >= start or at < end
        assert holds(source, at, zone) is not works
    found = match_preset(source)
    assert found is not None
    assert (found.preset.name, found.values) == (
        "after_hours",
        {"start": format_time(start), "end": format_time(end), "zone": zone},
    )
    assert str(found) == f"outside {format_time(start)}–{format_time(end)} ({zone})"
    assert split_conjunction(source) == [source]


def test_full_hours_of_every_kind() -> None:
    """Each pair of hours is evaluated at each hour."""
    for start, end in permutations(range(0, 24, 3), 2):
        source = fill_preset("after_hours", {"start": str(start), "end": str(end), "zone": "UTC"})
        inside = [
            hour
            for hour in range(24)
            if (start <= hour < end if start < end else hour >= start or hour < end)
        ]
        assert [hour for hour in range(24) if not holds(source, hour * 60, "UTC")] == inside, source
        assert find_warnings(compile_condition(source)) == ()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            'request.time.getHours("UTC") < 8 || request.time.getHours("UTC") >= 18',
            "outside 08:00–18:00 (UTC)",
        ),
        (
            'request.time.getHours("UTC") < 8 || request.time.getHours("UTC") >= 24',
            "outside 08:00–00:00 (UTC)",
        ),
        ("request.time.getHours('UTC')<6||request.time.getHours('UTC')>=22", "outside 06:00–22:00 (UTC)"),
        (
            '!(request.time.getHours("Europe/Berlin") < 6 || request.time.getHours("Europe/Berlin") >= 22)',
            "outside 22:00–06:00 (Europe/Berlin)",
        ),
    ],
)
def test_hours_that_stand_already_are_read(source: str, words: str) -> None:
    """Conditions saved when only full hours could be chosen are still recognized."""
    assert describe_condition(source) == [(words, False)]


def test_each_zone_of_the_list_is_one_that_conditions_know() -> None:
    """A zone that can be chosen can also be evaluated."""
    assert "Europe/Berlin" in offered_time_zones()
    for zone in offered_time_zones()[::25]:
        compile_condition(fill_preset("weekend", {"zone": zone}))
