"""Every finding of lint comes from a flow that has the fault."""

from typing import Any

import pytest

from flows.documents.lint import lint
from tests.support.flows import NEVER, SHIPPED, drawing


def findings(*steps: Any, **more: Any) -> list[tuple[str, str, str]]:
    """Return the path, level and message of everything that is wrong."""
    return [
        (".".join(map(str, each.path)), each.level, each.message) for each in lint(drawing(*steps, **more))
    ]


def test_the_shipped_flow_is_clean() -> None:
    """The flow with which every tenant begins has no findings."""
    assert findings(*SHIPPED) == []


def test_what_is_empty_is_no_flow_yet() -> None:
    """A draft may be empty while it is edited, but it cannot be published."""
    assert findings() == [("steps", "error", "Add at least one step."), ("for", "error", findings()[1][2])]
    assert ("steps.0.steps", "error", "Section away is empty. Add a step to it.") in findings(
        {"group": "away"}, *SHIPPED
    )


@pytest.mark.parametrize(
    ("steps", "path", "said"),
    [
        (("identification", "identification", NEVER), "steps.1.id", "Two steps have the ID identification."),
        (("identificaton", NEVER), "steps.0.stage", "Did you mean identification?"),
        (("zzz", NEVER), "steps.0.stage", "Unknown stage zzz. Available stages: choice, consent, deny"),
        (
            ("password", NEVER),
            "steps.0.stage",
            "password requires an identified person. Add an identification step before it.",
        ),
        (
            ("device_code", "consent"),
            "steps.1.stage",
            "requires a signed-in person. Add a login or reauthenticate step before it.",
        ),
        (
            ("identification", "login", "password", NEVER),
            "steps.1.stage",
            "login requires a verified password",
        ),
        (
            ({"stage": "identification", "settings": {"felds": ["email"]}}, NEVER),
            "steps.0.settings.felds",
            "Did you mean fields?",
        ),
        (
            ({"stage": "identification", "settings": {"fields": ["phone"]}}, NEVER),
            "steps.0.settings.fields.0",
            "'username' or 'email'",
        ),
        (
            ({"stage": "identification", "settings": {"fields": []}}, NEVER),
            "steps.0.settings.fields",
            "at least 1 of these",
        ),
        (
            ("identification", {"stage": "password", "settings": {"window": "1 hour"}}, NEVER),
            "steps.1.settings.window",
            "30s, 10m",
        ),
        (
            ("identification", {"stage": "password", "settings": {"free": 0}}, NEVER),
            "steps.1.settings.free",
            "Enter 1 or more",
        ),
        (({"stage": "deny", "when": "nope"},), "steps.0.when", "line 1, column 1: Unknown name nope."),
        (
            ({"stage": "deny", "when": '"staff" in person.groups'}, "identification"),
            "steps.0.when",
            "which requires an identified person",
        ),
        (
            ({"stage": "deny", "when": 'request.kind == "device"'},),
            "steps.0.when",
            "requires a known request. Add a device_code step before it.",
        ),
        (
            ("identification", "password", "login"),
            "for",
            "A flow with the purpose device_code requires consent. Add a consent step.",
        ),
    ],
)
def test_errors(steps: tuple[Any, ...], path: str, said: str) -> None:
    """Each error names the key in the document and the fix."""
    found = findings(*steps)
    assert any((path, "error") == each[:2] and said in each[2] for each in found), found


def test_a_need_that_only_a_condition_gives_is_a_warning() -> None:
    """It can be published, and the engine refuses the run where the condition did not apply."""
    found = findings(
        "identification",
        {"stage": "password", "when": "request.agent == 'x'"},
        "login",
        "device_code",
        "consent",
    )
    assert [(path, level) for path, level, _ in found] == [("steps.2.stage", "warning")]
    assert "runs only under a condition" in found[0][2]


def test_everything_is_found_at_once() -> None:
    """All faults are found, in the order of the steps.

    Nothing is reported that only follows from a misspelled stage.
    """
    found = findings(
        "identificaton", {"stage": "password", "settings": {"fre": 1}, "when": "1"}, "password", "login"
    )
    assert [path for path, _, _ in found] == [
        "steps.2.id",
        "steps.0.stage",
        "steps.1.settings.fre",
        "steps.1.when",
    ]


def test_a_flow_for_signing_in_must_sign_in() -> None:
    """The goal depends on the purpose, and a deny step needs none."""
    assert findings("identification", "password", **{"for": "authentication"})[0][2].startswith(
        "A flow with the purpose authentication requires a signed-in person."
    )
    assert findings("identification", "password", "login", **{"for": "authentication"}) == []
    assert findings("deny", **{"for": "authentication"}) == []


@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_a_second_factor_that_may_be_refused_is_asked_about(kind: str) -> None:
    """A second factor that is refused and goes on signs in with the password alone.

    It is a warning, for the step itself and in a section, unless a later condition checks.
    """
    lenient = {"stage": kind, "id": "factor", "on_refusal": "continue"}
    grouped = {"group": "away", "on_refusal": "continue", "steps": [{"stage": kind, "id": "factor"}]}
    said = "People who fail factor are still signed in, because no later condition checks its result."
    rest = SHIPPED[2:]
    assert ("steps.2.stage", "warning", said) in findings("identification", "password", lenient, *rest)
    assert ("steps.2.steps.0.stage", "warning", said) in findings(
        "identification", "password", grouped, *rest
    )
    for step, when in (
        (lenient, 'steps.factor.decision == "refused"'),
        (grouped, 'steps.away.decision == "refused"'),
        (lenient, "!second_factor.present"),
    ):
        asks = {"stage": "deny", "when": when}
        assert said not in [each[2] for each in findings("identification", "password", step, asks, *rest)]
    assert said not in [
        each[2] for each in findings("identification", "password", {**lenient, "on_refusal": "end"}, *rest)
    ]
    assert said not in [
        each[2] for each in findings("identification", "password", "login", lenient, *rest[1:])
    ]


def test_a_free_question_within_the_sign_in_is_a_warning() -> None:
    """Between the proof and signing in, a question can be taken for a part of it.

    Afterwards, and where nothing can be typed, it cannot.
    """
    text = {"stage": "prompt", "settings": {"fields": [{"name": "pet", "label": "Your pet"}]}}
    select = {
        "stage": "prompt",
        "settings": {"fields": [{"name": "colour", "type": "select", "choices": ["red"]}]},
    }
    warned = [
        each
        for each in findings("identification", "password", text, *SHIPPED[2:])
        if "part of signing in" in each[2]
    ]
    assert [(path, level) for path, level, _ in warned] == [("steps.2.stage", "warning")]
    for steps in (
        (select, "login", *SHIPPED[3:]),
        ("choice", "login", *SHIPPED[3:]),
        ("login", text, *SHIPPED[3:]),
    ):
        assert findings("identification", "password", *steps) == []
