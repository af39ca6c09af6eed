"""The table of protocol rules and the tests that prove them stay in step."""

from tests.house.conformance import TABLE, proofs, table


def test_the_table_is_current() -> None:
    """docs/conformance.md matches the docstrings; ``python -m tests.house.conformance`` writes it again."""
    assert TABLE.read_text() == table()


def test_the_device_grant_is_proved_whole() -> None:
    """Every rule of the device grant that this release implements has its test.

    So does every one about clients in the field.
    """
    kept = {f"D{number}" for number in range(1, 40)} | {f"K{number}" for number in range(1, 5)}
    assert sorted(kept - set(proofs())) == []
