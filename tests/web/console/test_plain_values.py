"""Values as an administrator reads them."""

import pytest

from web.console.plain_values import format_value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-11-28 16:40:37.972659+00:00", "2026-11-28 16:40:37 UTC"),
        ("2026-11-28T16:40:37Z", "2026-11-28 16:40:37 UTC"),
        ("2026-11-28T16:40:37+01:00", "2026-11-28T16:40:37+01:00"),
        ("on 2026-11-28 16:40:37+00:00", "on 2026-11-28 16:40:37+00:00"),
        (["a", True, None], "a, yes, nothing"),
        ({}, "nothing"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    """A time is shown without microseconds and with its zone, and other values are unchanged."""
    assert format_value(value) == words
