"""Reading and planning a broken blueprint file ends soon, with success or a problem that has a place.

The files are the same in every run, until the shipped ones change; ``FOYER_FUZZ_SEED`` selects others.
"""

import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from blueprints.files.plan import make_plan
from blueprints.files.problems import BadBlueprint, Problem
from idp.tenancy.models import Tenant
from tests.conftest import TENANTS

Change = Callable[[random.Random, str], str]
SEED = int(os.environ.get("FOYER_FUZZ_SEED", "5"))
PARTS = 4
SECONDS, MEMORY = 1.0, 300 * 1024  # seconds of processor time for a file, KiB for all files together
PIECES = [
    *("!env HOME", "!env [A, b]", "!file x.txt", "!file ../../etc/passwd", "!secret s", "!vars v", "!vars '{v}'", "!!binary x", "!", "!x"),  # noqa: E501
    *("&a ", "*a", "&a [*a]", "<<: *a\n", "[", "]", "{", "}", "- ", "? ", ": ", "---\n", "...\n", "%YAML 1.2\n", "%TAG ! tag:x,1:\n"),  # noqa: E501
    *("'", '"', "|\n", ">-\n", "#", "\t", "\r", "\0", "\x1b", "\u202e", "\ufeff", "\ud7ff", "\U0010ffff", "\\", "\n", " ", "  "),  # noqa: E501
    *("null", "~", "true", "012", "0x1F", "1e999", "-1", "9" * 40, ".nan", "12:30", "2026-11-21", "", "7d", "999999d", "a" * 300),  # noqa: E501
    *("vars:\n  - {v: 1}\n  - {v: 2}\n---\n", "vars: {v: [1, {a: b}]}\n---\n", "default: false\n", "for: part\n", "when: 'true'\n"),  # noqa: E501
    *("when: '1 + '\n", "tests: [{name: t}]\n", "settings: {a: {b: [1, null]}}\n", "steps: []\n"),
    *("on_refusal: continue\n", "flow: second-factor\n"),
    *("tenant: acme\n", "tenant: other\n", "person: alice\n", "group: [a]\n", "application: {}\n"),
    *("attributes: {a: [1]}\n", "grants: [[x]]\n"),
]  # fmt: skip


def _cut(chance: random.Random, text: str) -> str:
    at, other = sorted(chance.choices(range(len(text) + 1), k=2))
    return text[:at] + text[other:] if other - at < 200 else text[: at + 50] + text[at + 80 :]


def _insert(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(PIECES) * chance.choice([1, 1, 1, 2, 50]) + text[at:]


def _flip(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) or 1)
    return text[:at] + chr(chance.choice([chance.randrange(128), chance.randrange(0x3000)])) + text[at + 1 :]


def _lines(chance: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.randrange(5)
    if kind == 0:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 1:
        lines.insert(at, lines[other] * chance.choice([1, 2, 300]))
    elif kind == 2:
        lines[at] = " " * chance.randrange(5) + lines[at].lstrip()
    elif kind == 3:
        lines[at] = lines[at].partition(":")[0] + ": " + chance.choice(PIECES) + "\n"
    else:
        del lines[at]
    return "".join(lines)


CHANGES: list[Change] = [_cut, _insert, _insert, _flip, _lines, _lines, _lines]


def seeds() -> list[str]:
    """Return the shipped files, the examples, and the tenants of the tests."""
    folder = settings.BASE_DIR / "blueprints"
    files = [*sorted((folder / "default").glob("*.yaml")), *sorted((folder / "example").glob("*.yaml"))]
    return [
        TENANTS.format(name="acme", title="Acme", accent="#4f46e5"),
        *(file.read_text() for file in files),
    ]


def mutants(seed: int) -> Iterator[bytes]:
    """Yield files without end: one to eight changes each, some with a piece of another file."""
    chance, texts = random.Random(seed), seeds()
    while True:
        text = chance.choice(texts)
        if chance.random() < 0.2:
            other = chance.choice(texts)
            text = text[: chance.randrange(len(text))] + other[chance.randrange(len(other)) :]
        for _ in range(chance.randrange(1, 9)):
            text = chance.choice(CHANGES)(chance, text)
        data = text.encode(errors="replace")
        torn = chance.randrange(len(data) + 1)
        yield data if chance.random() < 0.98 else data[:torn] + b"\xff\xc3" + data[torn:]


def planned(file: Path) -> list[Problem]:
    """Return what is wrong with a file, or nothing where it can be planned."""
    try:
        make_plan([file], variables={"v": "w"}, prune=True)
    except BadBlueprint as bad:
        return bad.problems
    return []


def fuzz(folder: Path, seconds: float, seed: int) -> int:
    """Plan mutants for this time and return how many.

    One that fails is stored beside the test's other files.
    """
    file, count, end = folder / "b.yaml", 0, time.monotonic() + seconds
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in mutants(seed):
        file.write_bytes(data)
        begun = time.process_time()
        try:
            problems = planned(file)
        except BaseException as error:
            error.add_note(f"seed {seed}, file {count}: {file}")
            raise
        assert all(each.line > 0 and each.column > 0 and each.message for each in problems), problems
        taken, count = time.process_time() - begun, count + 1
        assert taken < SECONDS, f"{taken:.1f} s for seed {seed}, file {count - 1}: {file}"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY, (
            f"memory at seed {seed}, file {count - 1}: {file}"
        )
        if time.monotonic() > end:
            return count
    return count


def test_two_seconds_of_broken_files(tenants: dict[str, Tenant], tmp_path: Path) -> None:
    assert fuzz(tmp_path, 2, SEED) > 1


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_minutes_of_broken_files(tenants: dict[str, Tenant], tmp_path: Path, part: int) -> None:
    """It runs for ``FOYER_FUZZ_SECONDS`` in all, 120 where it is not set.

    The time is split into parts with their own seeds, for as many workers.
    """
    seconds = float(os.environ.get("FOYER_FUZZ_SECONDS", "120"))
    assert fuzz(tmp_path, seconds / PARTS, SEED + part) > 50 / PARTS
