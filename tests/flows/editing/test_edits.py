"""Each edit of a flow's document changes what it names, says so, and changes nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.documents.diff import diff_flows
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.versions import InvalidFlow
from flows.editing.cards import CannotEdit, Card, build_cards, iter_positions
from flows.editing.edits import EDIT_ADAPTER, EditResult, apply_edit
from tests.support.flows import SHIPPED, drawing

HOW = {
    "stage": "choice",
    "id": "how",
    "settings": {"options": [{"value": "home", "title": "At home"}, {"value": "work"}]},
}


def at_home(stage: str, **more: Any) -> dict[str, Any]:
    """Return a step in the lane of the first answer."""
    return {"stage": stage, "id": f"{stage}-h", "when": 'steps.how.choice == "home"', **more}


BRANCHED = (
    "identification",
    HOW,
    at_home("password"),
    {"stage": "totp", "when": 'steps.how.choice == "work"'},
    "login",
)
GROUPED = ("identification", {"group": "away", "steps": [{"stage": "password"}, {"stage": "totp"}]}, "login")


def do(drawn: FlowDocument, **wanted: Any) -> EditResult:
    """Apply the edit as a form posts it."""
    return apply_edit(drawn, EDIT_ADAPTER.validate_python(wanted))


def order(document: FlowDocument) -> list[Any]:
    """Return the ids, nested as the steps are."""

    def nested(step: StepDocument) -> Any:
        return [step.id, *map(nested, step.steps)] if step.group else step.id

    return [nested(step) for step in document.steps]


def shape(cards: tuple[Card, ...]) -> list[Any]:
    """Return the cards and lanes as the editor shows them."""
    return [
        [card.step.id, *([str(lane.title), shape(lane.cards)] for lane in card.lanes)]
        if card.lanes
        else card.step.id
        for card in cards
    ]


def test_a_step_is_added_at_its_place_with_a_name_of_its_own() -> None:
    """A second one of its kind gets a number, so that conditions can distinguish them."""
    first = do(drawing(*SHIPPED), do="add", what="stage", name="password", at="2")
    assert order(first.document) == [
        "identification",
        "password",
        "password-2",
        "login",
        "device_code",
        "consent",
        "finish",
    ]
    assert (first.place, first.summary) == ((2,), "password-2 added before login")
    group = do(first.document, do="add", what="group", name="Only staff!", at="0")
    assert (group.document.steps[0].group, group.document.steps[0].steps) == ("only-staff", ())
    inside = do(group.document, do="add", what="flow", name="factor", at="0.0")
    assert (inside.place, inside.summary) == (
        (0, 0),
        "factor added as the only step in only-staff",
    ) or inside.summary == "factor added into only-staff"
    assert order(inside.document)[0] == ["only-staff", "factor"]


@pytest.mark.parametrize(
    ("step", "at", "wanted"),
    [
        ("0", "3", [["away", "password", "totp"], "login", "identification"]),
        ("2", "0", ["login", "identification", ["away", "password", "totp"]]),
        ("2", "1.1", ["identification", ["away", "password", "login", "totp"]]),
        ("0", "1.0", [["away", "identification", "password", "totp"], "login"]),
        ("1.0", "3", ["identification", ["away", "totp"], "login", "password"]),
        ("1.1", "0", ["totp", "identification", ["away", "password"], "login"]),
        ("1.0", "1.2", ["identification", ["away", "totp", "password"], "login"]),
        ("1", "0", [["away", "password", "totp"], "identification", "login"]),
        ("1", "1", ["identification", ["away", "password", "totp"], "login"]),
        ("1", "2", ["identification", ["away", "password", "totp"], "login"]),
    ],
)
def test_a_step_is_moved_to_any_place(step: str, at: str, wanted: list[Any]) -> None:
    """Both positions are given as shown before the move, and the result names the new one."""
    document = drawing(*GROUPED)
    moved = do(document, do="move", step=step, at=at)
    assert order(moved.document) == wanted
    assert moved.place is not None
    found = next(
        each.card for each in iter_positions(build_cards(moved.document)) if each.card.place == moved.place
    )
    assert (
        found.step.id
        == next(
            each.card
            for each in iter_positions(build_cards(document))
            if each.card.place == tuple(map(int, step.split(".")))
        ).step.id
    )


def test_lanes_of_a_choice_are_what_applies_by_its_answer() -> None:
    """Each answer is a lane with its title, and the first step that applies otherwise ends them."""
    assert shape(build_cards(drawing(*BRANCHED))) == [
        "identification",
        ["how", ["At home", ["password-h"]], ["work", ["totp"]]],
        "login",
    ]
    assert build_cards(drawing(*BRANCHED))[1].end == (4,)


def test_a_card_takes_the_condition_of_the_lane_into_which_it_is_moved() -> None:
    """It loses the condition of the lane that it leaves, and its other conditions stay."""
    start = drawing(
        *BRANCHED[:2], at_home("password", when='steps.how.choice == "home" && person.admin'), *BRANCHED[3:]
    )
    lane = build_cards(start)[1].lanes[1]
    moved = do(start, do="move", step="2", at=".".join(map(str, lane.end)), lane=lane.condition)
    assert shape(build_cards(moved.document))[1] == ["how", ["At home", []], ["work", ["totp", "password-h"]]]
    assert moved.document.steps[3].when == 'steps.how.choice == "work" && person.admin'
    assert moved.summary == "password-h moved after totp in how: work"
    out = do(moved.document, do="move", step="3", at="5")
    assert (order(out.document)[-1], out.document.steps[-1].when) == ("password-h", "person.admin")


def test_a_choice_is_moved_with_its_lanes() -> None:
    """Otherwise its steps would read what is only known later."""
    moved = do(drawing(*BRANCHED), do="move", step="1", at="0")
    assert order(moved.document) == ["how", "password-h", "totp", "identification", "login"]
    back = do(moved.document, do="nudge", step="0", where="down")
    assert order(back.document) == ["identification", "how", "password-h", "totp", "login"]
    with pytest.raises(CannotEdit, match="into itself"):
        do(drawing(*GROUPED), do="move", step="1", at="1.0")


@pytest.mark.parametrize(
    ("step", "where", "wanted"),
    [
        ("2", "up", ["identification", "login", ["away", "password", "totp"]]),
        ("0", "down", [["away", "password", "totp"], "identification", "login"]),
        ("1.0", "down", ["identification", ["away", "totp", "password"], "login"]),
        ("2", "in", ["identification", ["away", "password", "totp", "login"]]),
        ("0", "in", [["away", "identification", "password", "totp"], "login"]),
        ("1.0", "out", ["identification", ["away", "totp"], "password", "login"]),
    ],
)
def test_a_step_goes_one_place_further(step: str, where: str, wanted: list[Any]) -> None:
    """The keys and the buttons of a card move it by one position."""
    assert order(do(drawing(*GROUPED), do="nudge", step=step, where=where).document) == wanted


def test_through_the_lanes_of_a_choice() -> None:
    """A card moves into the first lane, on to the second, back, and out at the end."""
    seen = [drawing(*BRANCHED)]
    for step, where in (("4", "in"), ("3", "in"), ("4", "out"), ("3", "out")):
        seen.append(do(seen[-1], do="nudge", step=step, where=where).document)
    lanes = [shape(build_cards(each))[1:] for each in seen]
    assert lanes == [
        [["how", ["At home", ["password-h"]], ["work", ["totp"]]], "login"],
        [["how", ["At home", ["password-h", "login"]], ["work", ["totp"]]]],
        [["how", ["At home", ["password-h"]], ["work", ["totp", "login"]]]],
        [["how", ["At home", ["password-h", "login"]], ["work", ["totp"]]]],
        [["how", ["At home", ["password-h"]], ["work", ["totp"]]], "login"],
    ]
    assert seen[-1] == seen[0]


@pytest.mark.parametrize(
    ("step", "where", "said"),
    [
        ("0", "up", "identification is already first"),
        ("2", "down", "login is already last"),
        ("1.0", "up", "password is already first"),
        ("1.0", "in", "no branch next to password"),
        ("0", "out", "identification isn't in a branch"),
        ("9", "up", "no longer exists"),
    ],
)
def test_where_there_is_no_way_it_is_said(step: str, where: str, said: str) -> None:
    """A move that is not possible is explained and changes nothing."""
    with pytest.raises(CannotEdit, match=said):
        do(drawing(*GROUPED), do="nudge", step=step, where=where)


def test_a_step_is_removed_and_the_one_that_takes_its_place_is_named() -> None:
    """The focus stays where the administrator works.

    A section that was emptied stays, and lint reports it.
    """
    gone = do(drawing(*GROUPED), do="remove", step="1.0")
    assert (order(gone.document), gone.place, gone.summary) == (
        ["identification", ["away", "totp"], "login"],
        (1, 0),
        "password removed",
    )
    empty = do(gone.document, do="remove", step="1.0")
    assert (order(empty.document)[1], empty.place) == (["away"], (1,))
    last = do(drawing("identification"), do="remove", step="0")
    assert (last.document.steps, last.place) == ((), None)


def test_a_copy_has_names_of_its_own() -> None:
    """A section is copied with all that is in it."""
    copied = do(drawing(*GROUPED), do="duplicate", step="1")
    assert order(copied.document) == [
        "identification",
        ["away", "password", "totp"],
        ["away-2", "password-2", "totp-2"],
        "login",
    ]
    assert copied.document.steps[2].group == "away-2"


def test_a_step_is_put_into_a_group_of_its_own() -> None:
    """The section takes the step's position, in a lane too."""
    wrapped = do(drawing(*BRANCHED), do="wrap", step="2")
    assert shape(build_cards(wrapped.document))[1][1] == ["At home", [["group", ["", ["password-h"]]]]]
    assert wrapped.document.steps[2].steps[0].when is None


def test_a_new_name_is_taken_up_by_conditions_and_tests() -> None:
    """The new name replaces the old one wherever the step is meant, and nowhere else."""
    again = {
        "stage": "deny",
        "when": 'steps.how.choice == "steps.how" && "x" in person.groups && steps.how_long.decision == ""',
    }
    tests = [
        {
            "name": "t",
            "answers": {"how": {"choice": "home"}, "how-not": "passes"},
            "expect": {"how.in": "done"},
        }
    ]
    document = drawing(*BRANCHED, {"stage": "totp", "id": "how-long"}, again, tests=tests)
    renamed = do(document, do="change", step="1", id="where-from").document
    assert [step.when for step in renamed.steps[2:4]] == [
        'steps.where_from.choice == "home"',
        'steps.where_from.choice == "work"',
    ]
    assert (
        renamed.steps[6].when
        == 'steps.where_from.choice == "steps.how" && "x" in person.groups && steps.how_long.decision == ""'
    )
    assert (list(renamed.tests[0].answers), list(renamed.tests[0].expect)) == (
        ["where-from", "how-not"],
        ["where-from.in"],
    )


def test_what_a_step_says_is_changed_one_by_one() -> None:
    """What is not named stays, and an empty condition removes it."""
    document = drawing(*SHIPPED)
    changed = do(
        document, do="change", step="1", when="person.admin", on_refusal="continue", settings={"free": 2}
    ).document
    assert [str(each) for each in diff_flows(document, changed)] == [
        "~ password: when: — → person.admin",
        "~ password: on_refusal: — → continue",
        "~ password: settings.free: — → 2",
    ]
    assert do(changed, do="change", step="1", when=" ").document.steps[1].when is None
    head = do(document, do="head", title="Anew", default=False).document
    assert (head.title, head.default, head.steps) == ("Anew", False, document.steps)


@pytest.mark.parametrize(
    "wanted",
    [
        {"do": "change", "step": "1", "id": "No Name"},
        {"do": "change", "step": "1", "on_refusal": "perhaps"},
        {"do": "head", "title": ""},
        {"do": "replace", "document": {"steps": [{"id": "x"}]}},
    ],
)
def test_what_is_no_document_is_refused_with_its_place(wanted: dict[str, Any]) -> None:
    """The draft stays as it was."""
    with pytest.raises(InvalidFlow) as refused:
        do(drawing(*SHIPPED), **wanted)
    assert refused.value.findings[0].path


def test_a_whole_document_keeps_the_name_and_the_purpose() -> None:
    """After an undo or a manual edit it is still this flow."""
    written = {"flow": "other", "for": "part", "title": "By hand", "steps": [{"stage": "deny"}]}
    replaced = do(drawing(*SHIPPED), do="replace", document=written, said="Undone.")
    assert (replaced.document.flow, replaced.document.designation, replaced.summary) == (
        "connect-a-device",
        "device_code",
        "Undone.",
    )


@pytest.mark.parametrize(
    "wanted",
    [
        {"do": "move", "step": "x", "at": "1"},
        {"do": "move", "step": "-1", "at": "1"},
        {"do": "move", "step": "", "at": "1"},
        {"do": "add", "what": "stage", "name": "", "at": "0"},
        {"do": "explode"},
        {"do": "remove", "step": "0", "more": 1},
        {"do": "nudge", "step": "1", "where": "sideways"},
        {"do": "remove", "step": ".".join("0" * 9)},
    ],
)
def test_what_is_no_edit(wanted: dict[str, Any]) -> None:
    """A malformed edit is refused before it is applied."""
    with pytest.raises(ValidationError):
        EDIT_ADAPTER.validate_python(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"do": "add", "what": "stage", "name": "nope", "at": "0"},
        {"do": "add", "what": "group", "name": "x", "at": "1.7"},
        {"do": "add", "what": "group", "name": "x", "at": "0.0"},
        {"do": "remove", "step": "1.9"},
        {"do": "move", "step": "0", "at": "99"},
    ],
)
def test_places_that_are_not_there(wanted: dict[str, Any]) -> None:
    """A position of an outdated page or of a forged request is refused."""
    with pytest.raises(CannotEdit):
        do(drawing(*GROUPED), **wanted)


PLACES = st.sampled_from(["0", "1", "2", "3", "4", "1.0", "1.1", "1.2", "2.0", "3.0"])
MOVES = st.one_of(
    st.tuples(st.just("move"), PLACES, PLACES),
    st.tuples(st.just("nudge"), PLACES, st.sampled_from(["up", "down", "in", "out"])),
    st.tuples(st.just("wrap"), PLACES, st.just("")),
)


@given(st.sampled_from([GROUPED, BRANCHED]), st.lists(MOVES, max_size=6))
def test_moving_loses_nothing(start: tuple[Any, ...], moves: list[tuple[str, str, str]]) -> None:
    """After any moves the same steps are there, each once, with their settings."""
    document = drawing(*start)
    before = {each.card.step.id: each.card.step.settings for each in iter_positions(build_cards(document))}
    for kind, step, to in moves:
        where = {"move": {"at": to}, "nudge": {"where": to}}.get(kind, {})
        try:
            document = do(document, do=kind, step=step, **where).document
        except CannotEdit:
            continue
        except InvalidFlow:  # sections nested too deep
            continue
    after = [each.card.step for each in iter_positions(build_cards(document))]
    assert {step.id: step.settings for step in after if not step.id.startswith("group")} == before
    assert len({step.id for step in after}) == len(after)
