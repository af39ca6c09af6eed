"""The layout lists the nodes of a flow in the order in which they run.

Each has the nodes around it, its condition variables and its path in the document.
"""

from typing import Any

import pytest

from flows.conditions.expressions import BadCondition
from flows.documents.document import MAX_DEPTH, FlowDocument
from flows.documents.layout import MAX_NODES, FlowTooLarge, Layout, condition_name, lay_out
from tests.support.flows import drawing


def choice(name: str) -> dict[str, Any]:
    """Return a choice step of this name."""
    return {"stage": "choice", "id": name}


def group(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    """Return a section of these steps."""
    return {"group": name, "steps": list(steps), **more}


def part(name: str, *steps: Any) -> FlowDocument:
    """Return a sub-flow to which other flows refer."""
    return drawing(*steps, flow=name, **{"for": "part"})


def laid(*steps: Any, **parts: FlowDocument) -> Layout:
    """Return the layout of a flow of these steps."""
    return lay_out(drawing(*steps), parts)


def test_boxes_come_in_the_order_in_which_they_run() -> None:
    """A section comes before its steps.

    The steps of a sub-flow carry the name of the step that refers to it.
    """
    inner = part("inner", choice("a"), group("g", choice("b")))
    layout = laid(
        choice("first"),
        group("outer", {"flow": "inner", "id": "in"}, choice("c")),
        choice("last"),
        inner=inner,
    )
    assert [box.id for box in layout.nodes] == ["first", "outer", "in", "in.a", "in.g", "in.b", "c", "last"]
    assert layout.by_id["in.b"].ancestors == ("outer", "in", "in.g")
    assert layout.by_id["c"].ancestors == ("outer",)
    assert {box.id: box.flow for box in layout.nodes if box.flow == "inner"}.keys() == {
        "in.a",
        "in.g",
        "in.b",
    }


def test_every_box_knows_where_it_stands_in_its_document() -> None:
    """It is the path that a finding names, so that an editor can point at it."""
    layout = laid(choice("first"), group("outer", choice("a"), group("deep", choice("b"))))
    assert layout.by_id["b"].path == ("steps", 1, "steps", 1, "steps", 0)
    document = drawing(choice("first"), group("outer", choice("a"), group("deep", choice("b")))).as_json()
    for box in layout.nodes:
        found: Any = document
        for key in box.path:
            found = found[key]
        assert found.get("id", found.get("group")) == box.id


def test_a_missing_sub_flow_stays_a_box() -> None:
    """The planner refuses it, and it never runs as if it were empty."""
    assert [box.id for box in laid({"flow": "gone"}).nodes] == ["gone"]


@pytest.mark.parametrize(
    ("inner", "outer", "caught"),
    [
        ("end", "end", None),
        ("continue", "end", "inner"),
        ("end", "continue", "outer"),
        ("continue", "continue", "inner"),
    ],
)
def test_a_refusal_is_caught_by_the_innermost_box_that_goes_on(
    inner: str, outer: str, caught: str | None
) -> None:
    """If none catches it, it ends the run."""
    layout = laid(group("outer", group("inner", choice("a"), on_refusal=inner), on_refusal=outer))
    assert layout.refusal_handler("a") == caught


def test_a_step_that_goes_on_catches_its_own_refusal() -> None:
    """It catches the refusal before any section around it."""
    layout = laid(group("outer", {**choice("a"), "on_refusal": "continue"}, on_refusal="continue"))
    assert layout.refusal_handler("a") == "a"


def test_a_condition_sees_what_comes_before_it_and_nothing_else() -> None:
    """It sees steps in an earlier section, but neither itself nor a later step."""
    layout = laid(choice("a"), group("g", choice("b")), choice("c"), choice("d"))
    seen = {name for name, _ in layout.by_id["c"].step_variables}
    assert seen == {"a.decision", "a.choice", "b.decision", "b.choice", "g.decision"}
    assert {name for name, _ in layout.by_id["b"].step_variables} == {"a.decision", "a.choice"}


@pytest.mark.parametrize(
    "when", ['steps.c.choice == "yes"', 'steps.me.decision == "done"', 'steps.a.chioce == "yes"']
)
def test_a_condition_on_what_cannot_be_known_there_is_bad(when: str) -> None:
    """The error has its column, and a misspelling is never an empty value."""
    layout = laid(choice("a"), {**choice("me"), "when": when}, choice("c"))
    with pytest.raises(BadCondition) as bad:
        assert layout.by_id["me"].condition
    assert (bad.value.line, bad.value.column) == (1, bad.value.column)
    assert bad.value.column > 1


def test_words_of_other_documents_are_not_mixed_up() -> None:
    """A condition does not read the values of a step of the same name in another document.

    That holds for the flow around it and for another sub-flow.
    """
    inner = part("inner", choice("way"), {**choice("me"), "when": 'steps.way.choice == "in"'})
    layout = laid(
        choice("way"), {"flow": "inner", "id": "x"}, {"flow": "inner", "id": "y"}, choice("me"), inner=inner
    )
    values = {"way": {"choice": "out"}, "x.way": {"choice": "in"}, "y.way": {"choice": "other"}}
    assert layout.by_id["x.me"].step_values(values)["way.choice"] == "in"
    assert layout.by_id["y.me"].step_values(values)["way.choice"] == "other"
    assert layout.by_id["me"].step_values(values)["way.choice"] == "out"


def test_a_missing_value_is_empty() -> None:
    """A step that was passed over has its decision, and empty values of the right type."""
    box = laid(choice("a"), choice("me")).by_id["me"]
    assert box.step_values({"a": {"decision": "passed over"}}) == {
        "a.decision": "passed over",
        "a.choice": "",
    }
    assert box.step_values({}) == {"a.decision": "", "a.choice": ""}
    assert box.step_values({"a": {"undeclared": "x"}}) == {"a.decision": "", "a.choice": ""}


@pytest.mark.parametrize(
    ("name", "written"), [("second-factor", "second_factor"), ("acme.badge", "acme_badge"), ("a1", "a1")]
)
def test_how_conditions_write_a_step(name: str, written: str) -> None:
    """CEL has no dashes in names."""
    assert condition_name(name) == written


def test_a_flow_that_grows_too_large_is_refused() -> None:
    """A small document with sub-flows in sub-flows must not become a huge one."""
    parts = {"p0": part("p0", *[choice(f"c{at}") for at in range(90)])}
    for depth in range(1, 4):
        parts[f"p{depth}"] = part(
            f"p{depth}", *[{"flow": f"p{depth - 1}", "id": f"r{at}"} for at in range(90)]
        )
    with pytest.raises(FlowTooLarge):
        lay_out(drawing({"flow": "p3"}), parts)
    assert len(lay_out(drawing({"flow": "p0"}), parts).nodes) == 91 <= MAX_NODES


def test_a_circle_of_sub_flows_ends() -> None:
    """It is refused and does not run forever."""
    parts = {"a": part("a", {"flow": "b"}), "b": part("b", {"flow": "a"})}
    with pytest.raises(FlowTooLarge):
        lay_out(drawing({"flow": "a"}), parts)


def test_groups_lie_only_so_deep() -> None:
    """The document itself refuses deeper sections, before the layout is made."""
    step: dict[str, Any] = choice("a")
    for depth in range(MAX_DEPTH - 1):
        step = group(f"g{depth}", step)
    assert len(laid(step).nodes) == MAX_DEPTH
    with pytest.raises(ValueError, match="at most 5 levels deep"):
        laid(group("more", step))
