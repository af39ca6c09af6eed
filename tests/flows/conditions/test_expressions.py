"""Conditions: what may be written is decided when a flow is saved, and one that fails refuses the run."""

import time
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from flows.conditions.expressions import BadCondition, ConditionFailed, compile_condition, is_within_networks
from flows.documents.lint import lint
from idp.accounts.models import Group, Person, Session
from idp.events.models import Event
from idp.foundation.condition_variables import EvaluationContext
from idp.foundation.facts import ClaimedPerson, Facts
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.flows import draw, drawing, row_of

UNKNOWN = EvaluationContext(Facts(), "203.0.113.9", "Test/1.0")


def applies(source: str, about: EvaluationContext = UNKNOWN) -> bool:
    """Return the result of the condition."""
    return compile_condition(source).evaluate(about)[0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('tenant.name == "acme"', True),
        ('tenant.name != "acme"', False),
        ('"staff" in person.groups', True),
        ('person.username.startsWith("ali")', True),
        ('person.email == "alice@acme.test" && person.name == "Alice"', True),
        ("request.ip.within(tenant.networks)", False),
        ('request.ip.within(["203.0.113.0/24"])', True),
        ('request.agent.contains("Test")', True),
        ('person.username == "person.nonsense"', False),
        ("size(session.methods) == 0", True),
        ('request.kind == ""', True),
        ("true", True),
    ],
)
def test_the_declared_words(acme: Tenant, source: str, expected: bool) -> None:
    """Each name has its type, and a name inside a text is not a name."""
    alice = Person.objects.get(username="alice")
    assert (
        applies(
            source, EvaluationContext(Facts(person=ClaimedPerson(alice.pk, "x")), "203.0.113.9", "Test/1.0")
        )
        is expected
    )


def test_an_unknown_person_has_the_same_words_with_empty_values(acme: Tenant) -> None:
    """Before proof, an unknown name behaves like a known one: no error distinguishes them."""
    unknown = EvaluationContext(Facts(person=ClaimedPerson(None, "nobody")), "203.0.113.9", "")
    assert applies(
        'person.username == "" && person.name == "" && person.email == "" && size(person.groups) == 0',
        unknown,
    )
    assert applies('"staff" in person.groups', unknown) is False


@pytest.mark.parametrize(
    ("source", "line", "column", "said"),
    [
        ('"staff" in person.grups', 1, 12, "Unknown name person.grups. Did you mean person.groups?"),
        ('tenant.name == "a" &&\n  person.usrname == "b"', 2, 3, "Did you mean person.username?"),
        ("zebra", 1, 1, "Unknown name zebra."),
        ("person.username +", 1, None, "Syntax error"),
        ("", 1, None, ""),
    ],
)
def test_a_misspelling_names_line_column_and_the_nearest_name(
    source: str, line: int, column: int | None, said: str
) -> None:
    """It is found when the flow is saved, not when a person runs it."""
    with pytest.raises(BadCondition) as bad:
        compile_condition(source)
    assert bad.value.line == line
    assert said in bad.value.message
    assert column is None or column <= bad.value.column <= column + len("person.usrname")


@pytest.mark.parametrize(
    "source", ["person.username", "1 + 1", "[true]", "person.groups", '"true"', "null", "{}"]
)
def test_a_condition_is_true_or_false(source: str) -> None:
    """A value is not true because it is not empty."""
    with pytest.raises(BadCondition, match="must return true or false"):
        compile_condition(source)


@pytest.mark.parametrize(
    "source", ["person.groups == 1", "request.ip.within(1)", "tenant.name > 3", "person.nothing()"]
)
def test_types_are_checked_when_saved(source: str) -> None:
    """A comparison that can never be evaluated is refused before it is published."""
    with pytest.raises(BadCondition):
        compile_condition(source)


@pytest.mark.parametrize(
    "source",
    ['__import__("os")', "open('/etc/passwd')", "person.__class__", "tenant.pk == 1", "settings.SECRET_KEY"],
)
def test_nothing_undeclared_can_be_reached(source: str) -> None:
    """CVE-2026-25227: a condition is no way to run code or to read what was not declared."""
    with pytest.raises(BadCondition):
        compile_condition(source)


@pytest.mark.parametrize(
    "source",
    [
        "1 / person.groups.size() == 1",
        "person.groups[7] == 'x'",
        "request.ip.within([request.agent])",
        "request.agent.within(tenant.networks)",
        "int(person.username) == 1",
        "request.time.getHours(request.agent) == 1",
    ],
)
def test_an_evaluation_that_fails_is_neither_true_nor_false(acme: Tenant, source: str) -> None:
    """traps.md: a CEL error is returned as a value that is truthy; it must not apply."""
    with pytest.raises(ConditionFailed):
        applies(source)


def test_only_the_names_that_occur_are_looked_up(
    acme: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A condition about the address queries no table about the person."""
    with django_assert_num_queries(0):
        applies('request.ip == "1.2.3.4" || "person.groups" == request.agent')


def test_the_cost_of_a_condition_is_bounded(acme: Tenant) -> None:
    """A condition that would run forever is refused, in saving or in evaluating, within a second or two."""
    begun = time.monotonic()
    some = "[1,2,3,4,5,6,7,8,9,0]"
    nested = "true"
    for name in "abcdefgh":
        nested = f"{some}.all({name}, {name} >= 0 && {nested})"
    with pytest.raises((BadCondition, ConditionFailed)):
        applies(nested)
    with pytest.raises(BadCondition, match="2000 characters"):
        compile_condition("true || " * 300 + "true")
    with pytest.raises((BadCondition, ConditionFailed)):
        applies("(" * 900 + "true" + ")" * 900)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("10.1.2.3", ["192.0.2.0/24", "10.1.2.3"], True),
        ("11.1.2.3", ["10.0.0.0/8"], False),
        ("2001:db8::1", ["2001:db8::/32", "10.0.0.0/8"], True),
        ("10.1.2.3", ["::/0"], False),
        ("10.1.2.3", ["10.1.2.9/8"], True),
        ("10.1.2.3", [], False),
    ],
)
def test_within(address: str, networks: list[str], expected: bool) -> None:
    """IPv4 and IPv6, single addresses, host bits set."""
    assert is_within_networks(address, networks) is expected


def test_a_condition_that_fails_refuses_the_run_and_skips_nothing(acme: Tenant, door: Doors) -> None:
    """CVE-2024-47070: the failure of a condition once skipped the password stage."""
    condition = 'int(request.agent) > 0 && !request.ip.within(["10.0.0.0/8"])'
    draw(
        "identification",
        {"stage": "password", "when": condition},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    refused = door(agent="curl").page().submit(name="alice")
    assert refused.title == "Something went wrong"
    assert (Session.objects.count(), set(row_of(refused).state["facts"])) == (0, {"person"})
    assert "condition of step password" in Event.objects.get(kind="flow.broken").data["why"]
    assert door(agent="7").page().submit(name="alice").step == "password"


def test_a_condition_decides_by_who_was_claimed_and_from_where(acme: Tenant, door: Doors) -> None:
    """Staff from outside are refused, as in the example of the design."""
    steps: list[str | dict[str, Any]] = [
        "identification",
        "password",
        {"stage": "deny", "when": '"staff" in person.groups && !request.ip.within(tenant.networks)'},
    ]
    draw(*steps, "login", "device_code", "consent", "finish")
    assert door().sign_in().step == "device_code"
    assert door(address="203.0.113.9").sign_in().title == "Access denied"
    bob = door(address="203.0.113.9").sign_in("bob", "bob-password-22")
    assert (bob.step, row_of(bob).state["decided"]["deny"]) == ("device_code", "passed over")
    assert row_of(bob).state["read"]["deny"]["applied"] is False


def test_lint_warns_of_a_condition_that_would_reveal_which_names_exist(acme: Tenant) -> None:
    """Lint warns of a branch on the person before anything proved who it is."""
    before = drawing(
        "identification",
        {"stage": "deny", "when": '"staff" in person.groups'},
        "password",
        "login",
        "device_code",
        "consent",
    )
    after = drawing(
        "identification",
        "password",
        {"stage": "deny", "when": '"staff" in person.groups'},
        "login",
        "device_code",
        "consent",
    )
    assert [
        "which accounts exist" in finding.message and finding.level == "warning" for finding in lint(before)
    ] == [True]
    assert lint(after) == []


COMPOSED, APART = "Ärzte", "A\u0308rzte"


@pytest.mark.parametrize("stored", [COMPOSED, APART])
@pytest.mark.parametrize("written", [COMPOSED, APART])
def test_one_form_on_both_sides(acme: Tenant, other: Tenant, door: Doors, stored: str, written: str) -> None:
    """Lists, texts and maps are compared in their composed form.

    A deny step is not passed over because a file system wrote ``Ä`` as two code points.
    """
    for tenant in (acme, other):
        with tenant_scope(tenant):
            alice = Person.objects.get(username="alice")
            alice.groups.add(Group.objects.create(name=stored))
            Person.objects.filter(pk=alice.pk).update(name=stored, attributes={stored: stored})
            for when in (
                f'"{written}" in person.groups',
                f'person.name == "{written}"',
                f'person.attributes["{written}"] == "{written}"',
            ):
                draw(
                    "identification",
                    "password",
                    {"stage": "deny", "when": when},
                    "login",
                    "device_code",
                    "consent",
                    "finish",
                )
                assert door(f"{tenant.name}.test").sign_in().title == "Access denied"


@pytest.mark.parametrize(
    "when",
    [
        r'"A\u0308rzte" in person.groups',
        r'person.name.startsWith("\u212b")',
        r'person.name.matches("a\u0308")',
    ],
)
def test_a_constant_that_equals_nothing_is_refused(when: str) -> None:
    """Written with escapes, it would not be composed with the rest of the condition."""
    with pytest.raises(BadCondition, match="never matches"):
        compile_condition(when)


@pytest.mark.parametrize(
    "source", ["(" * 900 + "true" + ")" * 900, "[" * 400 + "]" * 400 + " == []", "1" + " + 1" * 490 + " == 3"]
)
def test_what_is_nested_too_deep(source: str) -> None:
    """The message is plain, whether the parser or the checker gives up."""
    with pytest.raises(BadCondition, match="nested too deep"):
        compile_condition(source)
