"""User codes: their alphabet, their entropy, and how tolerantly they are read."""

import math
from collections import Counter

import pytest
from pytest_django import Settings

from idp.devices.codes import (
    ALPHABET,
    LENGTH,
    LONG_LENGTH,
    format_code,
    new_user_code,
    normalize_user_code,
    user_code_hash,
    user_code_hashes,
)
from idp.foundation.sealing import digest


def test_alphabet_has_no_vowels_and_no_digits() -> None:
    """D22: twenty consonants, so that no word arises and nothing looks like something else."""
    assert len(set(ALPHABET)) == len(ALPHABET) == 20
    assert not set(ALPHABET) & set("AEIOUY0123456789")
    assert set(new_user_code()) <= set(ALPHABET)


@pytest.mark.parametrize("length", [LENGTH, LONG_LENGTH])
def test_letters_are_equally_likely(length: int) -> None:
    """D36: the generator is unbiased, by chi-squared over many codes.

    The limit is passed by chance once in a million.
    """
    letters = Counter("".join(new_user_code(length) for _ in range(40_000 // length)))
    expected = sum(letters.values()) / len(ALPHABET)
    assert sum((letters[letter] - expected) ** 2 / expected for letter in ALPHABET) < 66


def test_entropy() -> None:
    """D15: a code has 34.5 bits, and 51.8 during an attack."""
    assert math.log2(len(ALPHABET) ** LENGTH) > 34.5
    assert math.log2(len(ALPHABET) ** LONG_LENGTH) > 51


@pytest.mark.parametrize(
    "typed",
    [
        "BCDF-GHJK",
        "bcdf-ghjk",
        "BCDFGHJK",
        " bcdf ghjk ",
        "B.C.D.F/G_H J-K",
        "BCDF–GHJK",
        "«BCDF-GHJK»\n",
        "ＢＣＤＦ－ＧＨＪＫ",
        "b1c2d3f4aeiouy-ghjk",
    ],
)
def test_read_in_any_spelling(typed: str) -> None:
    """D22: case, dashes, spaces, punctuation, full-width letters and other characters do not matter."""
    assert normalize_user_code(typed) == "BCDFGHJK"


def test_more_letters_are_another_code() -> None:
    """D22: what is ignored never lets one entry stand for several codes.

    An endless entry costs nothing.
    """
    assert normalize_user_code("BCDFGHJKL") != "BCDFGHJK"
    assert len(normalize_user_code("B" * 10_000)) == LONG_LENGTH + 1


def test_shown_in_groups_of_four() -> None:
    """D21: as a device displays it."""
    assert format_code("BCDFGHJK") == "BCDF-GHJK"
    assert format_code("BCDFGHJKLMNP") == "BCDF-GHJK-LMNP"
    assert normalize_user_code(format_code("BCDFGHJKLMNP")) == "BCDFGHJKLMNP"


def test_hash_is_keyed(settings: Settings) -> None:
    """D26: 35 bits are guessed from a plain hash in seconds, so the server's key goes in.

    A rotated key is still read.
    """
    old = user_code_hash("BCDFGHJK")
    assert old != digest("BCDFGHJK")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = (
        [settings.SECRET_KEY],
        "another key of the server, long enough",
    )
    assert user_code_hash("BCDFGHJK") != old
    assert old in user_code_hashes("BCDFGHJK")
