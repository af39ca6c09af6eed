"""The one form of text: what is refused, what is dropped, and how codes and names are read."""

import re
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.foundation.text import (
    caseless,
    caseless_pattern,
    clean_line,
    clean_lines,
    fold,
    fold_code,
    json_items,
    nfc,
    normalize_line,
    normalize_lines,
)

INVISIBLE = [
    ("\u200b", "U+200B (ZERO WIDTH SPACE)"),
    ("\u202e", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
    ("\u2066", "U+2066 (LEFT-TO-RIGHT ISOLATE)"),
    ("\u200e", "U+200E (LEFT-TO-RIGHT MARK)"),
    ("\ufeff", "U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
    ("\u00ad", "U+00AD (SOFT HYPHEN)"),
    ("\u2028", "U+2028 (LINE SEPARATOR)"),
    ("\x1b", "U+001B (ESCAPE)"),
    ("\x85", "U+0085 (control character)"),
    ("\ue000", "U+E000 (private use)"),
    ("\ufffe", "U+FFFE (unassigned)"),
    ("\ud800", "U+D800 (surrogate)"),
    ("\u3164", "U+3164 (HANGUL FILLER)"),
    ("\U000e0041", "U+E0041 (TAG LATIN CAPITAL LETTER A)"),
    ("\u200d", "U+200D (ZERO WIDTH JOINER)"),
]


@pytest.mark.parametrize(("letter", "name"), INVISIBLE)
def test_invisible_characters_are_named(letter: str, name: str) -> None:
    """An invisible character is named wherever it stands, and removed from what clients send."""
    for text in (f"a{letter}b", f"{letter}ab", f"ab{letter}"):
        with pytest.raises(ValueError, match="must not hold") as refused:
            normalize_line(text)
        assert name in str(refused.value)
        with pytest.raises(ValueError, match="must not hold"):
            normalize_lines(f"first\n{text}")
        assert clean_line(text, 40).replace(" ", "") == "ab"


@pytest.mark.parametrize(
    ("text", "name"), [(" a", "SPACE"), ("a\u00a0", "NO-BREAK SPACE"), ("\u3000a", "IDEOGRAPHIC SPACE")]
)
def test_white_space_around_a_name_is_named(text: str, name: str) -> None:
    """White space around a name is an error: two names would look like one."""
    with pytest.raises(ValueError, match=f"begin or end with .*{name}"):
        normalize_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "Anna Ärzte",
        "کتاب\u200cها",
        "क्\u200dष",
        "👩\u200d👩\u200d👧 at home",
        "❤\ufe0f\u200d🔥",
        "",
        "山田\u3000花子",
    ],
)
def test_what_people_are_called_is_kept(text: str) -> None:
    """Joiners have a meaning within Persian and Indic words and within an emoji.

    Elsewhere they are only invisible.
    """
    assert normalize_line(text) == text
    assert clean_line(text, 40) == text.replace("\u3000", " ")


@pytest.mark.parametrize("text", ["Ärzte", "한국", "ﷺ", "\u0958", "e\u0323\u0301"])
def test_one_form(text: str) -> None:
    """Text has one form, however it was composed, and normalizing twice changes nothing."""
    forms = {normalize_line(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1
    assert forms == {nfc(nfc(text))}


def test_longer_texts() -> None:
    """One kind of line break; tabs stay."""
    assert normalize_lines("a\r\nb\n\tc\n") == "a\nb\n\tc\n"
    with pytest.raises(ValueError, match="CARRIAGE RETURN"):
        normalize_lines("a\rb")
    assert normalize_line("from a file\n") == "from a file"
    with pytest.raises(ValueError, match="LINE FEED"):
        normalize_line("two\nlines\n")
    assert clean_lines("  a \x1b\r\nb\rc\u202e\td\n\n", 40) == "a\nb\nc\td"


def test_what_strangers_send_is_cut() -> None:
    """It becomes one line without a blank where it is cut; a flood of invisible characters costs nothing."""
    assert clean_line("Living\r\n  room\t TV", 40) == "Living room TV"
    assert clean_line("a" * 39 + " b", 40) == "a" * 39
    assert clean_line("\u200b" * 1_000_000 + "a", 40) == ""
    assert clean_lines("\u200b" * 1_000_000, 40) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123 456 ",
        "123-456",
        "١٢٣٤٥٦",
        "۱۲۳۴۵۶",
        "१२३४५६",
        "１２３４５６",
        "123–456",
        "123\u2011456",
        "123−456",
        "123ー456",
        "\u200e123\u200b456\ufeff",
    ],
)
def test_codes_in_any_script(typed: str) -> None:
    """Any decimal digit counts; dashes, blanks and invisible characters do not."""
    assert fold_code(typed) == "123456"


def test_other_numbers_are_no_digits() -> None:
    """Only decimal digits count in a code.

    Letters stay, so that a wrong code is not taken for a right one.
    """
    assert fold_code("12五Ⅵ") == "12五VI"
    assert fold_code("12a456") == "12A456"


@pytest.mark.parametrize(
    "typed",
    [
        "alice",
        "Alice",
        " ALICE ",
        "ali\u200bce",
        "\ufeffalice",
        "ａｌｉｃｅ",
        "al\u00adice",
        "\u202aalice\u202c",
    ],
)
def test_names_are_read_alike(typed: str) -> None:
    """Invisible characters that come along with a pasted name are ignored."""
    assert fold(typed) == "alice"


@pytest.mark.parametrize("name", ["Straße", "ΟΔΟΣ", "İstanbul", "ǰ", "ﬀ", "\u0345\u0308", "Ärzte"])
def test_folding_twice_changes_nothing(name: str) -> None:
    """Otherwise a stored person would not be found."""
    assert fold(fold(name)) == fold(name)
    assert {fold(unicodedata.normalize(form, name)) for form in ("NFC", "NFD", "NFKC")} == {fold(name)}


@pytest.mark.parametrize("marks", ["\u0301\u0316" * 300_000, "\u0301" * 300_000 + "\u0316" * 300_000])
def test_a_tower_of_marks_costs_nothing(marks: str) -> None:
    """Sorting them takes minutes otherwise; thirty on a letter are more than any language has."""
    begun = time.process_time()
    for read in (nfc, normalize_line, normalize_lines, fold, fold_code):
        assert len(read(f"a{marks}b")) < 40
    assert len(clean_line(f"a{marks}b", 200)) < 40
    assert time.process_time() - begun < 20


LETTERS = st.text("sSßẞiİıIfFﬁﬃﬀüÜkKΣσςΐtﬆa.]\\^-[ \u0308\u030cjǰ", min_size=1, max_size=7)


@given(kept=LETTERS, words=LETTERS)
def test_a_caseless_pattern_finds_what_contains_the_words(kept: str, words: str) -> None:
    """Neither more nor less than comparing the caseless forms, where one letter becomes several too."""
    assert bool(re.search(caseless_pattern(words), nfc(kept))) is (caseless(words) in caseless(nfc(kept)))


@pytest.mark.parametrize("words", ["ss" * 50, "ﬃ" * 100, "a" * 100, "(a+)+" * 20])
def test_a_caseless_pattern_stays_small(words: str) -> None:
    """However many ways there are to write a text."""
    assert len(caseless_pattern(words)) < 40_000
    assert re.search(caseless_pattern(words), words)


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ({"a": 1, "b": [2]}, [("a", 1), ("b", [2])]),
        (["x", "y"], [(0, "x"), (1, "y")]),
        ("xy", []),
        (7, []),
        (None, []),
    ],
)
def test_only_mappings_and_lists_hold_items(value: Any, items: list[tuple[Any, Any]]) -> None:
    """The letters of a text are no items."""
    assert list(json_items(value)) == items
