"""Runs the tests in a flow's document, so that a company can test its sign-in before people use it."""

from collections.abc import Iterator, Mapping

from flows.documents.document import FlowDocument, FlowTest
from flows.documents.layout import Layout, lay_out
from flows.documents.lint import Finding
from flows.simulation.simulate import PersonNotFound, StepReport, run_result, simulate
from idp.foundation.text import did_you_mean


def run_flow_tests(
    document: FlowDocument, sub_flows: Mapping[str, FlowDocument], *, may_view_people: bool = True
) -> list[Finding]:
    """Return a finding for each unmet expectation, none when all tests pass; nothing is written.

    Anyone who may edit a flow can write tests, so a password or code in them is never verified.
    ``may_view_people``: False on behalf of users who may not view people. Whether a condition applies to a
    person would reveal their groups and attributes, so tests of existing people do not run then.
    """
    return [
        finding
        for findings in findings_by_test(document, sub_flows, may_view_people=may_view_people)
        for finding in findings
    ]


def findings_by_test(
    document: FlowDocument, sub_flows: Mapping[str, FlowDocument], *, may_view_people: bool = True
) -> list[list[Finding]]:
    """Return the findings of each test, in the order of the tests."""
    return [
        list(_run(at, test, document, sub_flows, names=may_view_people))
        for at, test in enumerate(document.tests)
    ]


def _run(
    at: int, test: FlowTest, document: FlowDocument, parts: Mapping[str, FlowDocument], *, names: bool
) -> Iterator[Finding]:
    may_name_person = isinstance(test.person, str) and names
    try:
        reports = simulate(
            document,
            test.answers,
            sub_flows=parts,
            person=test.person,
            request=test.request,
            verify_answers=False,
            may_view_people=may_name_person,
        )
    except PersonNotFound as error:
        yield Finding(("tests", at, "person"), f"{test.name}: {error}")
        return
    yield from _unknown_steps(at, test, lay_out(document, parts))
    by_step = {report.step: report for report in reports}
    for step, expected in test.expect.items():
        report = by_step.get(step)
        decision = "not reached" if report is None else decision_of(report)
        if decision != expected:
            yield Finding(
                ("tests", at, "expect", step),
                f"{test.name}: {step} should be {expected}, but was {decision}{_reason(report)}.",
            )
    if (end := run_result(reports)) != test.ends:
        last = reports[-1] if reports else None
        place = f" at {last.step}" if last and last.step else ""
        message = f": {last.message}" if last and last.message else ""
        yield Finding(
            ("tests", at, "ends"),
            (
                f"{test.name}: should have ended as {test.ends}, but ended as "
                f"{end}{place}{message.removesuffix('.')}."
            ),
        )


def _unknown_steps(at: int, test: FlowTest, layout: Layout) -> Iterator[Finding]:
    """Yield findings for answers to unknown steps, because a typo would look like a step that asks."""
    for step in test.answers:
        if step not in layout.by_id:
            yield Finding(
                ("tests", at, "answers", step),
                f"{test.name}: there is no step {step}.{did_you_mean(step, layout.by_id)}",
            )


def decision_of(report: StepReport) -> str:
    """Return the decision as ``expect`` names it; ``ends`` says whether a refusal ended the run."""
    return {"denied": "refused", "ends": "done", "leaves": "done"}.get(report.decision, report.decision)


def _reason(report: StepReport | None) -> str:
    if report is None or not report.condition:
        return ""
    values = ", ".join(f"{name} = {value!r}" for name, value in report.condition["values"].items())
    return (
        f" ({report.condition['when']} was "
        f"{str(report.condition['applied']).lower()}{'; ' + values if values else ''})"
    )
