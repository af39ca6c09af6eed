"""The table of protocol rules and the tests that prove them stay in step."""

from tests.house.conformance import TABLE, proofs, table


def test_the_table_is_current() -> None:
    """docs/conformance.md is what the docstrings say; ``python -m tests.house.conformance`` writes
    it anew.
    """
    assert TABLE.read_text() == table()


def test_the_device_grant_is_proved_whole() -> None:
    """Every rule of the device grant that this release keeps, and every one about clients in the field, has
    its test.
    """
    kept = {f"D{number}" for number in range(1, 40)} | {f"K{number}" for number in range(1, 5)}
    assert sorted(kept - set(proofs())) == []
