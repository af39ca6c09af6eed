"""The reference of conditions matches the condition variables, and its examples can be published."""

import pytest

from flows.conditions.expressions import compile_condition, condition_variables
from tests.house.condition_reference import EARLIER, EXAMPLES, PAGE, page


def test_the_page_is_current() -> None:
    """docs/conditions.md matches the variables; tests.house.condition_reference writes it again."""
    assert PAGE.read_text() == page()


def test_every_word_says_what_it_means() -> None:
    """Each variable has a meaning, in one line that fits into a table."""
    assert not [
        name
        for name, word in condition_variables().items()
        if not word.doc or "\n" in word.doc or "|" in word.doc
    ]


@pytest.mark.parametrize("source", [source for _, source in EXAMPLES])
def test_every_example_can_be_saved(source: str) -> None:
    """What the page shows compiles."""
    assert compile_condition(source, EARLIER).names
