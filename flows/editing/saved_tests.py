"""Saves a dry run as one of the flow's own tests."""

from collections.abc import Mapping, Sequence

from flows.documents.document import Answers, Circumstances, FlowDocument, FlowTest, InventedPerson
from flows.documents.layout import TooLarge, lay_out
from flows.documents.lint import Finding
from flows.documents.versions import RefusedFlow, parse, version_of
from flows.editing.drafts import DraftMoved, draft_of, save_draft
from flows.models import Draft
from flows.registry import stages
from flows.simulation.flow_tests import decision_of
from flows.simulation.simulate import Report, ending, guarded


def as_test(
    name: str,
    person: str | InventedPerson,
    request: Circumstances,
    answers: Answers,
    reports: Sequence[Report],
) -> FlowTest:
    """Return the dry run as a test, with its assumptions and the expected decision of each step.

    Raise pydantic's ValidationError.
    """
    all_answers = {**{report.step: "passes" for report in reports if report.assumed}, **answers}
    expect = {report.step: decision_of(report) for report in reports if report.step}
    values = {"name": name, "person": person, "request": request, "answers": all_answers, "expect": expect}
    return FlowTest.model_validate({**values, "ends": ending(list(reports))})


def check_answers(document: FlowDocument, parts: Mapping[str, FlowDocument], answers: Answers) -> None:
    """Raise RefusedFlow for answers that a test must not contain.

    These are answers to unknown steps, and answers that would prove a person.
    """
    try:
        boxes = lay_out(document, parts).by_id
    except TooLarge as large:
        raise RefusedFlow([Finding(("steps",), str(large))]) from None
    found = []
    for step, answer in answers.items():
        stage = stages().get(boxes[step].drawn.stage or "") if step in boxes else None
        if stage is None:
            found.append(Finding(("answers", step), "No step with this ID asks for input."))
        elif isinstance(answer, dict) and guarded(stage):
            found.append(
                Finding(
                    ("answers", step), "Passwords and codes can't be saved in a flow. Use passes or refuses."
                )
            )
    if found:
        raise RefusedFlow(found)


def keep_test(name: str, test: FlowTest, *, by: str, revision: int | None = None) -> Draft:
    """Add the test to the flow's draft, and return the draft; without one, start from the live version.

    ``revision``: that of the draft that was viewed, 0 for none, None for any. Raise NoSuchVersion,
    DraftMoved, or RefusedFlow where the draft is no valid flow or has a test of this name.
    """
    draft = draft_of(name)
    now = draft.revision if draft else 0
    if revision not in (None, now):
        raise DraftMoved(now)
    document = parse({**(draft.document if draft else version_of(name).document), "flow": name})
    if any(each.name == test.name for each in document.tests):
        raise RefusedFlow(
            [Finding(("tests", "name"), "A test with this name already exists. Use another name.")]
        )
    tests = [*document.as_json().get("tests", []), test.model_dump(mode="json", exclude_defaults=True)]
    updated = parse({**document.as_json(), "tests": tests})
    return save_draft(name, updated.as_json(), by=by, revision=draft.revision if draft else None)
