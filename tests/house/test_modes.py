"""No test knows on which servers it runs; the modules that are allowed to are listed here."""

import re

from tests.house.source import ROOT, tracked

MAY_KNOW = (
    "tests/modes/",
    "tests/settings.py",
    "tests/conftest.py",
    "tests/house/test_modes.py",
    "Makefile",
    "docs/",
    "CHANGELOG.md",
)
MODE = re.compile(r"FOYER_TEST_(?:MODE|DATABASE|REDIS)|connection\.vendor|\bmark\.skip|\bpytest\.skip\(")


def test_no_test_knows_the_mode() -> None:
    """No test reads the variable, asks which database or broker there is, or is skipped in one mode."""
    tests = [
        path
        for path in tracked("tests/*.py", "tests/**/*.py")
        if not str(path.relative_to(ROOT)).startswith(MAY_KNOW)
    ]
    knowing = {
        str(path.relative_to(ROOT)): found.group()
        for path in tests
        if (found := MODE.search(path.read_text()))
    }
    assert knowing == {}


def test_the_product_does_not_know_that_it_is_tested() -> None:
    """The variable is read by the tests' settings only."""
    others = [path for path in tracked() if not str(path.relative_to(ROOT)).startswith(MAY_KNOW)]
    assert not [path for path in others if b"FOYER_TEST_MODE" in path.read_bytes()]
