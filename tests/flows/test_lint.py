"""Every finding of lint, each from the drawing that has the fault."""

from typing import Any

import pytest

from flows.lint import lint
from tests.engine import NEVER, SHIPPED, drawing


def findings(*steps: Any, **more: Any) -> list[tuple[str, str, str]]:
    """Path, level and message of everything that is wrong."""
    return [(".".join(map(str, each.path)), each.level, each.message) for each in lint(drawing(*steps, **more))]


def test_the_shipped_flow_is_clean() -> None:
    """Nothing to find in what everybody begins with."""
    assert findings(*SHIPPED) == []


def test_what_is_empty_is_no_flow_yet() -> None:
    """A draft may be so while it is drawn; it cannot be published."""
    assert findings() == [("steps", "error", "There is no step yet."), ("for", "error", findings()[1][2])]
    assert ("steps.0.steps", "error", "The group away is empty: put a step into it.") in findings({"group": "away"}, *SHIPPED)


@pytest.mark.parametrize(
    ("steps", "path", "said"),
    [
        (("identification", "identification", NEVER), "steps.1.id", "Two steps are called identification."),
        (("identificaton", NEVER), "steps.0.stage", "Did you mean identification?"),
        (("zzz", NEVER), "steps.0.stage", "There is no stage zzz. There are: choice, consent, deny"),
        (
            ("password", NEVER),
            "steps.0.stage",
            "password needs person, which no earlier step gives. It is given by: identification",
        ),
        (
            ("device_code", "consent"),
            "steps.1.stage",
            "needs signed_in, which no earlier step gives. It is given by: login, reauthenticate.",
        ),
        (("identification", "login", "password", NEVER), "steps.1.stage", "login needs proof"),
        (({"stage": "identification", "settings": {"felds": ["email"]}}, NEVER), "steps.0.settings.felds", "Did you mean fields?"),
        (
            ({"stage": "identification", "settings": {"fields": ["phone"]}}, NEVER),
            "steps.0.settings.fields.0",
            "'username' or 'email'",
        ),
        (({"stage": "identification", "settings": {"fields": []}}, NEVER), "steps.0.settings.fields", "at least 1 item"),
        (
            ("identification", {"stage": "password", "settings": {"window": "1 hour"}}, NEVER),
            "steps.1.settings.window",
            "30s, 10m",
        ),
        (
            ("identification", {"stage": "password", "settings": {"free": 0}}, NEVER),
            "steps.1.settings.free",
            "greater than or equal",
        ),
        (({"stage": "deny", "when": "nope"},), "steps.0.when", "line 1, column 1: There is no nope."),
        (({"stage": "deny", "when": '"staff" in person.groups'}, "identification"), "steps.0.when", "person is only known later"),
        (
            ({"stage": "deny", "when": 'request.kind == "device"'},),
            "steps.0.when",
            "known later. It is given by: device_code.",
        ),
        (("identification", "password", "login"), "for", "A flow for device_code must give consent. It is given by: consent."),
    ],
)
def test_errors(steps: tuple[Any, ...], path: str, said: str) -> None:
    """Each names the key in the document and what would mend it."""
    found = findings(*steps)
    assert any((path, "error") == each[:2] and said in each[2] for each in found), found


def test_a_need_that_only_a_condition_gives_is_a_warning() -> None:
    """It can be published; the engine refuses the run where the condition did not apply."""
    found = findings("identification", {"stage": "password", "when": "request.agent == 'x'"}, "login", "device_code", "consent")
    assert [(path, level) for path, level, _ in found] == [("steps.2.stage", "warning")]
    assert "only given when an earlier condition applies" in found[0][2]


def test_everything_is_found_at_once() -> None:
    """Not only the first fault, and in the order of the steps."""
    found = findings("identificaton", {"stage": "password", "settings": {"fre": 1}, "when": "1"}, "password", "login")
    assert [path for path, _, _ in found] == [
        "steps.2.id",
        "steps.0.stage",
        "steps.1.settings.fre",
        "steps.1.when",
        "steps.1.stage",
        "steps.2.stage",
        "steps.3.stage",
        "for",
    ]


def test_a_flow_for_signing_in_must_sign_in() -> None:
    """The goal depends on the designation; a drawn refusal needs none."""
    assert findings("identification", "password", **{"for": "authentication"})[0][2].startswith(
        "A flow for authentication must give signed_in."
    )
    assert findings("identification", "password", "login", **{"for": "authentication"}) == []
    assert findings("deny", **{"for": "authentication"}) == []
