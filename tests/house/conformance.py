"""Which protocol rule is proved by which test.

``python -m tests.house.conformance`` writes docs/conformance.md.
"""

import ast
import re
from collections import defaultdict
from functools import lru_cache

from tests.house.source import ROOT, Module, tracked

TABLE = ROOT / "docs" / "conformance.md"
_RULES = re.compile(r"\A((?:[A-Z]\d+(?:\s*[-–]\s*[A-Z]?\d+)?(?:,\s*|\s+and\s+)?)+):")
_ONE = re.compile(r"([A-Z])(\d+)(?:\s*[-–]\s*[A-Z]?(\d+))?")
_HEAD = """# Conformance

Which test proves which rule. D: device grant (RFC 8628) · K: clients in the field · B: OAuth core and RFC 9700 · O: OpenID Connect ·
M: metadata (RFC 8414) · J: access tokens (RFC 9068) · X: cross-device flows. The table is generated from the tests' docstrings by
`python -m tests.house.conformance`, and a test keeps it in step.

| rule | proved by |
| --- | --- |
"""  # noqa: E501


@lru_cache(maxsize=1)
def proofs() -> dict[str, list[str]]:
    """Rule to tests, from the docstrings that begin with rule numbers."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in tracked("tests/*.py", "tests/**/*.py"):
        module = Module(path)
        for function in module.functions():
            match = _RULES.match(ast.get_docstring(function) or "")
            if match and function.name.startswith("test_"):
                for rule in _each(match[1]):
                    found[rule].append(f"{module.name.removeprefix('tests/')}::{function.name}")
    return found


def table() -> str:
    """The whole document."""
    found = proofs()
    rows = [
        f"| {rule} | {'<br>'.join(f'`{test}`' for test in sorted(found[rule]))} |"
        for rule in sorted(found, key=_order)
    ]
    return _HEAD + "\n".join(rows) + "\n"


def _each(text: str) -> list[str]:
    rules = []
    for letter, first, last in _ONE.findall(text):
        rules += [f"{letter}{number}" for number in range(int(first), int(last or first) + 1)]
    return rules


def _order(rule: str) -> tuple[int, int]:
    return "DKBOMJX".find(rule[0]) % 99, int(rule[1:])


if __name__ == "__main__":
    TABLE.write_text(table())
