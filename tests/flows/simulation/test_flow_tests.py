"""A company tests its sign-in, and a flow that fails its own tests is not published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from flows.documents.document import FlowDocument
from flows.documents.versions import InvalidFlow, live_version
from flows.editing.publishing import publish
from flows.models import Version
from flows.simulation.flow_tests import run_flow_tests
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.flows import SHIPPED, drawing, only_select

STAFF_OUTSIDE = '"staff" in person.groups && !request.ip.within(tenant.networks)'
STRICT = ("identification", "password", {"stage": "totp", "when": STAFF_OUTSIDE}, "login")
PASSES = {"identification": "passes", "password": "passes", "totp": "passes"}


def flow(*tests: dict[str, Any], steps: tuple[Any, ...] = STRICT) -> FlowDocument:
    """Return a flow for signing in with these tests."""
    return drawing(
        *steps,
        flow="strict",
        **{"for": "authentication"},
        tests=[{"name": f"test {at}", **test} for at, test in enumerate(tests)],
    )


def failures(*tests: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    """Return the path and the message of each failure."""
    return [
        (".".join(map(str, each.path)), each.message) for each in run_flow_tests(flow(*tests, **more), {})
    ]


OUTSIDE = {"address": "203.0.113.9"}
STAFF = {"groups": ["staff"], "credentials": ["password", "totp"]}
GOOD = (
    {"person": STAFF, "request": OUTSIDE, "answers": PASSES, "expect": {"totp": "done", "login": "done"}},
    {
        "person": STAFF,
        "request": {"address": "127.0.0.9"},
        "answers": PASSES,
        "expect": {"totp": "passed over"},
    },
    {"person": {}, "request": OUTSIDE, "answers": PASSES, "expect": {"totp": "passed over"}},
    {
        "person": STAFF,
        "request": OUTSIDE,
        "answers": {**PASSES, "totp": "refuses"},
        "expect": {"totp": "refused"},
        "ends": "denied",
    },
    {"person": "bob", "answers": PASSES},
    {
        "person": "alice",
        "request": {"signed_in": ["pwd"], "address": "127.0.0.1"},
        "expect": {"login": "known before"},
    },
)


def test_tests_that_pass(acme: Tenant) -> None:
    """Only staff from outside need the code, whether people are simulated or real."""
    with connection.execute_wrapper(only_select):
        assert failures(*GOOD) == []
    assert publish(flow(*GOOD), by="test").changed


@pytest.mark.parametrize(
    ("test", "path", "said"),
    [
        (
            {"answers": PASSES, "expect": {"totp": "done"}},
            "tests.0.expect.totp",
            "test 0: totp should be done, but was passed over (",
        ),
        ({"answers": PASSES, "expect": {"totp": "done"}}, "tests.0.expect.totp", "was false; request.ip = "),
        (
            {"answers": PASSES, "expect": {"ttop": "done"}},
            "tests.0.expect.ttop",
            "ttop should be done, but was not reached.",
        ),
        (
            {"answers": PASSES, "ends": "denied"},
            "tests.0.ends",
            "should have ended as denied, but ended as finished at login.",
        ),
        (
            {"answers": {}},
            "tests.0.ends",
            "should have ended as finished, but ended as asks at identification.",
        ),
        (
            {"person": STAFF, "request": OUTSIDE, "answers": {**PASSES, "totp": {"code": "000000"}}},
            "tests.0.ends",
            "ended as asks at totp: Tests don't check this answer",
        ),
        ({"person": "clerk"}, "tests.0.person", "There is no person clerk."),
    ],
)
def test_each_expectation_that_fails_is_named(
    acme: Tenant, test: dict[str, Any], path: str, said: str
) -> None:
    """The failure has its place in the document, what came instead, and why."""
    found = failures(test)
    assert any(each[0] == path and said in each[1] for each in found), found


@pytest.mark.parametrize("password", ["bob-password-22", "wrong"])
def test_a_test_guesses_no_password(acme: Tenant, password: str) -> None:
    """Right and wrong passwords end alike in a test.

    An administrator who may edit a flow learns nothing about any password from its tests.
    """
    test = {"person": "bob", "answers": {**PASSES, "password": {"password": password}}}
    said = (
        "Tests don't check this answer, so that passwords and codes can't be guessed. Use passes or refuses"
    )
    assert failures(test) == [
        ("tests.0.ends", f"test 0: should have ended as finished, but ended as asks at password: {said}.")
    ]


def test_a_test_reveals_nothing_of_any_person(acme: Tenant) -> None:
    """An administrator who may edit a flow need not be allowed to view people.

    What a condition read of a real person is left out, and a test of a simulated person cannot name another
    one.
    """
    ((_, said),) = failures({"person": "alice", "answers": PASSES, "expect": {"totp": "done"}})
    assert said.startswith(
        f"test 0: totp should be done, but was passed over ({STAFF_OUTSIDE} was false; request.ip = "
    )
    assert "person.groups =" not in said
    found = failures({"answers": {**PASSES, "identification": {"name": "alice"}}})
    assert [path for path, _ in found] == ["tests.0.ends"]
    assert "no person can be named here" in found[0][1]


def test_every_failing_test_is_reported(acme: Tenant) -> None:
    """Every failing test is reported, not only the first."""
    wrong = {"answers": PASSES, "expect": {"totp": "done"}}
    assert [path for path, _ in failures(GOOD[0], wrong, GOOD[1], {**wrong, "ends": "denied"})] == [
        "tests.1.expect.totp",
        "tests.3.expect.totp",
        "tests.3.ends",
    ]


def test_a_flow_that_fails_its_tests_is_not_published(acme: Tenant) -> None:
    """The live version stays, and nothing is written."""
    publish(flow(*GOOD), by="test")
    before, count = live_version("authentication"), Version.objects.count()
    lax = ("identification", "password", "login")
    with pytest.raises(InvalidFlow) as refused:
        publish(flow(*GOOD, steps=lax), by="test")
    assert ("tests", 0, "expect", "totp") in [finding.path for finding in refused.value.findings]
    assert (live_version("authentication"), Version.objects.count()) == (before, count)


def test_tests_see_the_sub_flows(acme: Tenant) -> None:
    """They are as they would be frozen into this version."""
    publish(drawing({"stage": "totp", "when": STAFF_OUTSIDE}, flow="factor", **{"for": "part"}), by="test")
    steps = ("identification", "password", {"flow": "factor"}, "login")
    proved = {"identification": "passes", "password": "passes"}
    test = {
        **GOOD[0],
        "answers": {**proved, "factor.totp": "passes"},
        "expect": {"factor": "entered", "factor.totp": "done"},
    }
    assert publish(flow(test, steps=steps), by="test").changed


def test_people_of_another_tenant_are_unknown_here(acme: Tenant, other: Tenant) -> None:
    """A test names people of its own tenant."""
    with tenant_scope(other):
        assert failures({"person": "alice", "answers": PASSES}) == []
        people = Tenant.objects.get(name="other")
    assert people.pk != acme.pk
    assert failures({"person": "nobody-of-acme"})[0][0] == "tests.0.person"


def test_a_group_that_was_left_by_a_refusal(acme: Tenant) -> None:
    """``expect`` names the last decision about it."""
    steps = (
        {"group": "box", "on_refusal": "continue", "steps": [{"stage": "deny"}, {"stage": "choice"}]},
        *STRICT,
    )
    test = {"answers": PASSES, "expect": {"box": "refused", "deny": "refused", "choice": "passed over"}}
    assert failures(test, steps=steps) == []


@pytest.mark.parametrize(
    "change",
    [
        {"ends": "somehow"},
        {"expect": {"totp": "perhaps"}},
        {"request": {"address": "here"}},
        {"persn": "bob"},
    ],
)
def test_a_test_that_is_none_is_refused(change: dict[str, Any]) -> None:
    """A misspelled expectation is not one that holds."""
    with pytest.raises(ValueError, match="validation error"):
        flow({"answers": PASSES, **change})


def test_a_blueprint_carries_its_tests(acme: Tenant, write_blueprint: Callable[..., Path]) -> None:
    """The document, an example of the product, is stored and read back with them."""
    stored = publish(flow(*GOOD), by="test").version.document
    assert FlowDocument.model_validate(stored) == flow(*GOOD)
    assert "tests" not in drawing(*SHIPPED).as_json()
