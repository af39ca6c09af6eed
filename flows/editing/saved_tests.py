"""Saves a dry run as one of the flow's own tests."""

from collections.abc import Mapping, Sequence

from flows.documents.document import Answers, Circumstances, FlowDocument, FlowTest, SimulatedUser
from flows.documents.layout import FlowTooLarge, lay_out
from flows.documents.lint import Finding
from flows.documents.versions import InvalidFlow, parse_flow, version_of
from flows.editing.drafts import DraftChanged, draft_of, save_draft
from flows.models import Draft
from flows.registry import stages
from flows.simulation.flow_tests import decision_of
from flows.simulation.simulate import StepReport, is_guessable, run_result


def build_flow_test(
    name: str,
    person: str | SimulatedUser,
    request: Circumstances,
    answers: Answers,
    reports: Sequence[StepReport],
) -> FlowTest:
    """Return the dry run as a test, with its assumptions and the expected decision of each step.

    Raise pydantic's ValidationError.
    """
    all_answers = {**{report.step: "passes" for report in reports if report.assumed}, **answers}
    expect = {report.step: decision_of(report) for report in reports if report.step}
    values = {"name": name, "person": person, "request": request, "answers": all_answers, "expect": expect}
    return FlowTest.model_validate({**values, "ends": run_result(list(reports))})


def check_answers(document: FlowDocument, sub_flows: Mapping[str, FlowDocument], answers: Answers) -> None:
    """Raise InvalidFlow for answers that a test must not contain.

    These are answers to unknown steps, and answers that would prove a person.
    """
    try:
        boxes = lay_out(document, sub_flows).by_id
    except FlowTooLarge as large:
        raise InvalidFlow([Finding(("steps",), str(large))]) from None
    found = []
    for step, answer in answers.items():
        stage = stages().get(boxes[step].definition.stage or "") if step in boxes else None
        if stage is None:
            found.append(Finding(("answers", step), "No step with this ID asks for input."))
        elif isinstance(answer, dict) and is_guessable(stage):
            found.append(
                Finding(
                    ("answers", step), "Passwords and codes can't be saved in a flow. Use passes or refuses."
                )
            )
    if found:
        raise InvalidFlow(found)


def save_flow_test(name: str, test: FlowTest, *, by: str, revision: int | None = None) -> Draft:
    """Add the test to the flow's draft, and return the draft; without one, start from the live version.

    ``revision``: that of the draft that was viewed, 0 for none, None for any. Raise NoSuchVersion,
    DraftChanged, or InvalidFlow where the draft is no valid flow or has a test of this name.
    """
    draft = draft_of(name)
    now = draft.revision if draft else 0
    if revision not in (None, now):
        raise DraftChanged(now)
    document = parse_flow({**(draft.document if draft else version_of(name).document), "flow": name})
    if any(each.name == test.name for each in document.tests):
        raise InvalidFlow(
            [Finding(("tests", "name"), "A test with this name already exists. Use another name.")]
        )
    tests = [*document.as_json().get("tests", []), test.model_dump(mode="json", exclude_defaults=True)]
    updated = parse_flow({**document.as_json(), "tests": tests})
    return save_draft(name, updated.as_json(), by=by, revision=draft.revision if draft else None)
