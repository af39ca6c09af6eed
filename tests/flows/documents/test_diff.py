"""The difference between two versions lists what was added, removed, moved and changed.

It lists nothing else and is written for an administrator.
"""

import re
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.documents.diff import Change, diff_flows
from flows.documents.document import FlowDocument, StepDocument
from tests.support.flows import SHIPPED, drawing


def choice(name: str, **more: Any) -> dict[str, Any]:
    """Return a choice step of this name."""
    return {"stage": "choice", "id": name, **more}


def group(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    """Return a section of these steps."""
    return {"group": name, "steps": list(steps), **more}


def shown(old: FlowDocument, new: FlowDocument) -> list[str]:
    """Return the lines as they are shown."""
    return [str(change) for change in diff_flows(old, new)]


def test_nothing_changed() -> None:
    """The same flow has no differences, however it is written."""
    spelt_out: list[dict[str, Any]] = [
        {"id": step, "stage": step, "settings": {}, "when": None, "on_refusal": "end"} for step in SHIPPED
    ]
    assert diff_flows(drawing(*SHIPPED), drawing(*spelt_out)) == []


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (["deny"], ["deny", "finish"], ["+ finish: finish after deny"]),
        (["deny"], ["finish", "deny"], ["+ finish: finish first"]),
        (["deny", "finish"], ["finish"], ["- deny: deny"]),
        (["deny"], [group("g", "deny")], ["+ g: group g first", "↕ deny: first → first in g"]),
        ([group("g", choice("a"), choice("b"))], [group("g", choice("b"), choice("a"))], None),
        (["deny"], ["deny", {"flow": "part"}], ["+ part: flow part after deny"]),
        ([choice("a")], [choice("a", when="true")], ["~ a: when: — → true"]),
        ([choice("a", when="true")], [choice("a")], ["~ a: when: true → —"]),
        ([choice("a")], [choice("a", on_refusal="continue")], ["~ a: on_refusal: — → continue"]),
        ([choice("a")], [{"stage": "deny", "id": "a"}], ["~ a: stage: choice → deny"]),
        (
            [{"stage": "password", "settings": {"free": 3}}],
            [{"stage": "password", "settings": {"free": 5, "window": "2h"}}],
            ["~ password: settings.free: 3 → 5", "~ password: settings.window: — → 2h"],
        ),
        (
            [choice("a", settings={"options": [{"value": "x"}, {"value": "y"}]})],
            [choice("a", settings={"options": [{"value": "x"}, {"value": "z"}]})],
            ['~ a: settings.options: [{"value": "x"}, {"value": "y"}] → [{"value": "x"}, {"value": "z"}]'],
        ),
    ],
)
def test_each_kind_of_change(old: list[Any], new: list[Any], lines: list[str] | None) -> None:
    """Each change is one line, in words and with the values."""
    steps = [
        [{"stage": each} if isinstance(each, str) else _whole(each) for each in side] for side in (old, new)
    ]
    found = shown(drawing(*steps[0]), drawing(*steps[1]))
    if lines is None:
        assert len(found) == 1
        assert found[0].startswith("↕ ")
    else:
        assert found == lines


def _whole(step: dict[str, Any]) -> dict[str, Any]:
    if "steps" not in step:
        return step
    return {**step, "steps": [{"stage": each} if isinstance(each, str) else each for each in step["steps"]]}


def test_the_flow_itself() -> None:
    """Title, default and tests are compared."""
    old, new = (
        drawing("deny", title="Old"),
        drawing("deny", title="New", default=False, tests=[{"name": "one"}]),
    )
    assert shown(old, new) == [
        "~ flow: title: Old → New",
        "~ flow: default: — → false",
        '~ flow: tests: — → [{"name": "one"}]',
    ]


def test_a_step_that_was_moved_and_changed_is_both() -> None:
    """It is found again by its id."""
    old = drawing(choice("a"), choice("b"), choice("c"))
    changes = diff_flows(old, drawing(choice("c", when="true"), choice("a"), choice("b")))
    assert [(change.kind, change.step, change.key) for change in changes] == [
        ("moved", "c", ""),
        ("changed", "c", "when"),
    ]


def test_a_group_moves_as_one() -> None:
    """Its steps stay where they are, beside each other."""
    old = drawing(group("g", choice("a")), choice("x"), choice("y"))
    assert shown(old, drawing(choice("x"), choice("y"), group("g", choice("a")))) == ["↕ g: first → after y"]


def test_long_values_are_cut() -> None:
    """A line stays a line."""
    old, new = (drawing({"stage": "deny", "settings": {"message": letter * 200}}) for letter in "xy")
    assert all(len(line) < 220 for line in shown(old, new))


@pytest.mark.parametrize("order", list(permutations("abcd")))
def test_the_fewest_moves(order: tuple[str, ...]) -> None:
    """It agrees with every way of removing steps that leaves the others in their order."""
    changes = diff_flows(drawing(*map(choice, "abcd")), drawing(*map(choice, order)))
    moved = [change.step for change in changes]
    assert {change.kind for change in changes} <= {"moved"}
    left = [name for name in order if name not in moved]
    assert left == sorted(left)
    fewest = min(4 - len(kept) for kept in _in_order(order))
    assert len(moved) == len(set(moved)) == fewest


def _in_order(order: tuple[str, ...]) -> list[list[str]]:
    subsets = ([name for at, name in enumerate(order) if bits >> at & 1] for bits in range(16))
    return [subset for subset in subsets if subset == sorted(subset)]


# --- property -----------------------------------------------------------------------------------------------

WHERE = re.compile(r"(first|after (?P<after>\S+))( in (?P<box>\S+))?$")
NAMES = [f"s{at}" for at in range(8)]
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "when": st.sampled_from(["true", "false"]),
        "settings": st.dictionaries(
            st.sampled_from(["message", "other"]), st.text("xyz", max_size=2) | st.integers(2, 5), max_size=2
        ),
    },
)


@st.composite
def documents(draw: st.DrawFn) -> FlowDocument:
    """Draw flows of up to eight steps, some in sections, sections in sections."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True))

    def steps(left: list[str], depth: int) -> list[dict[str, Any]]:
        found = []
        while left:
            name, left = left[0], left[1:]
            size = draw(st.integers(0, len(left))) if depth < 3 else 0
            content = draw(CONTENT)
            if size:
                content.pop("settings", None)
                found.append({"group": name, "id": name, "steps": steps(left[:size], depth + 1), **content})
            else:
                found.append({"stage": "deny", "id": name, **content})
            left = left[size:]
        return found

    return drawing(*steps(names, 1), title=draw(st.sampled_from(["One", "Two"])))


Tree = dict[str, tuple[str, str]]


def tree_of(steps: tuple[StepDocument, ...], within: str = "") -> Tree:
    """Return each step with the section around it and the step before it there."""
    found, after = Tree(), ""
    for step in steps:
        found[step.id] = (within, after)
        found |= tree_of(step.steps, step.id)
        after = step.id
    return found


def siblings(tree: Tree) -> dict[str, list[str]]:
    """Return the order within each section."""
    rows: dict[str, list[str]] = {}
    for name, (within, _) in tree.items():
        rows.setdefault(within, []).append(name)
    return rows


def replayed(old: FlowDocument, changes: list[Change]) -> dict[str, list[str]]:
    """Return the order within each section after applying each line in its order."""
    rows = siblings(tree_of(old.steps))
    away = {change.step for change in changes if change.kind in ("removed", "moved")}
    rows = {box: [name for name in row if name not in away] for box, row in rows.items()}
    for change in changes:
        if change.kind in ("added", "moved"):
            place = WHERE.search(str(change.new))
            assert place, change
            row = rows.setdefault(place["box"] or "", [])
            row.insert(row.index(place["after"]) + 1 if place["after"] else 0, change.step)
    return {box: row for box, row in rows.items() if row}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), documents())
def test_applying_the_lines_leads_to_the_new_flow(old: FlowDocument, new: FlowDocument) -> None:
    """Order, sections and contents all follow from the lines, which mention nothing that is equal."""
    changes = diff_flows(old, new)
    assert replayed(old, changes) == siblings(tree_of(new.steps))
    assert (changes == []) == (old.as_json() == new.as_json())
    assert diff_flows(old, old) == diff_flows(new, new) == []
    stayed = tree_of(old.steps).keys() & tree_of(new.steps).keys()
    assert all(
        change.step in stayed for change in changes if change.kind in ("moved", "changed") and change.step
    )
    assert all(change.old != change.new for change in changes if change.kind == "changed")
