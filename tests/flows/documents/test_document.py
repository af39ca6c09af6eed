"""The flow document accepts what is a flow, with settings as people write them."""

from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from flows.documents.document import FlowDocument
from flows.documents.lint import Finding, lint
from flows.documents.schema import document_schema
from flows.settings import format_duration, parse_duration
from tests.support.flows import SHIPPED, drawing

PARTS = {"part": drawing("deny", flow="part", **{"for": "part"})}
GOOD: dict[str, Any] = {
    "flow": "a-flow",
    "title": "A flow",
    "for": "device_code",
    "steps": [{"stage": "identification"}],
}


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"flow": "A Flow"}, "flow"),
        ({"flow": "-a"}, "flow"),
        ({"flow": "a" * 51}, "flow"),
        ({"flow": None}, "flow"),
        ({"title": ""}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"for": "everything"}, "for"),
        ({"steps": None}, "steps"),
        ({"steps": [{"stage": "deny", "id": f"s{at}"} for at in range(101)]}, "steps"),
        ({"steps": [{"stage": "deny", "if": "true"}]}, "steps.0.if"),
        ({"steps": [{"id": "x"}]}, "steps.0"),
        ({"steps": [{"id": "x", "stage": ""}]}, "steps.0.stage"),
        ({"steps": [{"stage": "deny", "id": "../x"}]}, "steps.0.id"),
        ({"steps": ["deny"]}, "steps.0"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_no_flow(change: dict[str, Any], at: str) -> None:
    """Unknown keys, missing ones and wrong values are refused at the key."""
    with pytest.raises(ValidationError) as refused:
        FlowDocument.model_validate({**GOOD, **change})
    assert at in [".".join(map(str, error["loc"])) for error in refused.value.errors()]


def test_a_step_is_called_after_its_stage_unless_it_says_otherwise() -> None:
    """The short form is enough."""
    document = drawing("identification", {"id": "again", "stage": "identification"})
    assert [step.id for step in document.steps] == ["identification", "again"]


def test_a_document_is_the_same_after_a_round_trip() -> None:
    """What is exported imports again."""
    document = drawing(*SHIPPED, default=False)
    assert FlowDocument.model_validate(document.as_json()) == document
    assert "when" not in str(document.as_json())


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("7d", 604_800), ("90s", 90)]
)
def test_durations_as_people_write_them(written: str, seconds: int) -> None:
    """traps.md: one Duration type is read and written alike."""
    assert parse_duration(written) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == written


@pytest.mark.parametrize(
    "written", ["1 m", "10", 10, "m", "-1m", "1.5h", "PT1M", "", None, True, "1w", "1m\n", "9999999d"]
)
def test_what_is_no_duration(written: Any) -> None:
    """It is refused, never guessed."""
    with pytest.raises(ValueError, match="enter a duration like"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("step", "good"),
    [
        ({"stage": "password", "settings": {"window": "2h"}}, True),
        ({"stage": "choice", "settings": {"options": [{"value": "a"}, {"value": "b", "title": "B"}]}}, True),
        ({"stage": "prompt", "settings": {"fields": [{"name": "a", "label": "A"}]}}, True),
        (
            {
                "group": "box",
                "steps": [{"stage": "deny", "when": "second_factor.present"}],
                "on_refusal": "continue",
            },
            True,
        ),
        ({"flow": "part", "id": "other"}, True),
        ({"id": "nothing"}, False),
        ({"stage": "deny", "flow": "part"}, False),
        ({"stage": "dney"}, False),
        ({"stage": "deny", "settings": {"mesage": "x"}}, False),
        ({"stage": "choice", "settings": {"options": [{"value": "no spaces"}, {"value": "b"}]}}, False),
        ({"stage": "password", "settings": {"window": "2 hours"}}, False),
        ({"flow": "part", "on_refusal": "perhaps"}, False),
    ],
)
def test_the_schema_says_what_the_validator_says(step: dict[str, Any], good: bool) -> None:
    """An editor that knows only the JSON Schema finds the same faults, in the settings of each stage too."""
    found = list(Draft202012Validator(document_schema()).iter_errors({**GOOD, "steps": [step]}))
    assert (found == []) == good, found
    try:
        faults = [
            each
            for each in lint(FlowDocument.model_validate({**GOOD, "steps": [step]}), PARTS)
            if _is_of_the_shape(each)
        ]
    except ValidationError:
        faults = [Finding(("steps",), "no document at all")]
    assert (faults == []) == good, faults


def _is_of_the_shape(finding: Finding) -> bool:
    """Return whether a schema can know this finding.

    No schema can know which facts a step needs and what the whole flow is for.
    """
    return finding.path != ("for",) and " requires " not in finding.message
