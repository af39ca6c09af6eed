"""Conditions that are valid CEL and hardly mean what they say are warned of.

Each warning is shown where it belongs, and common conditions raise none.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest

from flows.conditions.expressions import compile_condition
from flows.conditions.syntax import SyntaxNode, SyntaxTree
from flows.conditions.warnings import find_comparisons, find_warnings
from flows.documents.lint import lint
from flows.editing.publishing import prepare
from idp.accounts.models import Group
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.flows import drawing

HOUR = 'request.time.getHours("Europe/Berlin")'
MINUTE = 'request.time.getMinutes("Europe/Berlin")'
EARLIER: Any = frozenset({("how.choice", "string"), ("q.age", "int")})


TEAM = '"team" in person.attributes'
SALES = 'person.attributes["team"] == "sales"'


def said(source: str) -> list[str]:
    """Return every warning about this condition."""
    compiled = compile_condition(source, EARLIER if "steps." in source else frozenset())
    return [doubt.message for doubt in find_warnings(compiled)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("true", "The condition is always true."),
        ("1 == 2", "The condition is never true."),
        ("!(true)", "The condition is never true."),
        ("person.admin && true", "This part of the condition is always true."),
        ("person.admin && false", "The condition is never true."),
        (f"{HOUR} < 22 || {HOUR} >= 6", "The condition is always true, at every hour"),
        (f"{HOUR} > 22 && {HOUR} < 6", "The condition is never true, at any hour"),
        (
            f"person.admin && ({HOUR} < 22 || {HOUR} >= 6)",
            "This part of the condition is always true, at every hour",
        ),
        (f"person.admin || {HOUR} >= 24", "This part of the condition is never true, at any hour"),
        (
            f"person.admin && {HOUR} > 20 && person.email_verified && {HOUR} < 8",
            "The condition is never true, at any hour",
        ),
        ('request.time.getDayOfWeek("UTC") == 7', "The condition is never true, at any hour"),
        (
            f"{HOUR} * 60 + {MINUTE} < 600 || {HOUR} * 60 + {MINUTE} >= 450",
            "The condition is always true, at every hour",
        ),
        (
            'request.kind == "device" && request.kind == "authorize"',
            "The condition is never true, for any value of request.kind.",
        ),
        (
            'request.kind != "device" || request.kind != "authorize"',
            "The condition is always true, for every value of request.kind.",
        ),
        (
            "steps.q.age > 18 && steps.q.age < 10",
            "The condition is never true, for any value of steps.q.age.",
        ),
        ("person.admin || !person.admin", "The condition is always true, for every value of person.admin."),
        (
            '"a" in person.groups && !("a" in person.groups)',
            "The condition is never true, for any value of person.groups.",
        ),
        ("request.ip in tenant.networks", "Use request.ip.within(tenant.networks)"),
        ("!(device.address in tenant.networks)", "Use device.address.within(tenant.networks)"),
        ('request.ip == "10.0.0.0/8"', "request.ip is one address and never 10.0.0.0/8"),
        ('request.ip in ["10.0.0.0/8"]', "Use request.ip.within([…])"),
        ('request.country in ["AT", "Germany"]', '"Germany" isn\'t a country code'),
        ('person.attributes["x"] == "y"', 'Add "x" in person.attributes && … before it'),
        ('person.attributes.x == "y"', 'Add "x" in person.attributes && … before it'),
        ('"x" in person.attributes || person.attributes["x"] == "y"', 'Add "x" in person.attributes'),
        ('"z" in person.attributes && person.attributes["x"] == "y"', 'Add "x" in person.attributes'),
        ('person.groups[0] == "a"', "Add size(person.groups) > 0"),
    ],
)
def test_what_is_hardly_meant(source: str, expected: str) -> None:
    """Each warning is given once, with its fix."""
    found = said(source)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    "source",
    [
        f"{HOUR} < 8 || {HOUR} >= 18",
        f"{HOUR} >= 0 && {HOUR} < 8",
        f"{HOUR} >= 22 || {HOUR} < 6",
        f'{HOUR} < 8 || {HOUR} >= 18 || request.time.getDayOfWeek("Europe/Berlin") in [0, 6]',
        'request.time.getMonth("UTC") == 11',
        'request.time > timestamp("2026-01-31T12:00:00Z")',
        'request.kind == "device" || request.kind == "authorize"',
        "steps.q.age >= 18 && steps.q.age < 67",
        'person.email.endsWith("@acme.example") && !person.email.startsWith("test")',
        '"x" in person.attributes && person.attributes["x"] == "y"',
        'person.attributes["x"] == "y" && "x" in person.attributes',
        '!("x" in person.attributes) || person.attributes["x"] == ""',
        '"x" in person.attributes ? person.attributes["x"] == "y" : person.admin',
        'has(person.attributes.x) && person.attributes.x == "y"',
        'size(person.groups) > 0 && person.groups[0] == "a"',
        f"({TEAM}) == true && {SALES}",
        f"false != ({TEAM}) && {SALES}",
        f"({TEAM}) == false || {SALES}",
        f"!({TEAM} && !({SALES}))",
        f"({TEAM} ? person.admin : false) && {SALES}",
        f"({TEAM} && person.admin || person.email_verified && {TEAM}) && {SALES}",
        f'person.attributes.exists(key, key == "team" && person.admin) && {SALES}',
        f"has(person.attributes.team) != false && {SALES}",
        '"a" in person.groups && person.groups[0] == "a"',
        'person.groups != [] && person.groups[0] == "a"',
        'person.groups.exists(each, each == "a") && person.groups[0] == "a"',
        "request.ip.within(tenant.networks)",
        'request.ip == "192.0.2.1"',
        'request.country in ["AT", ""]',
        'person.groups.exists(each, each == "a" || each == "b")',
        "person.name == person.username || person.name != person.email",
    ],
)
def test_what_is_meant(source: str) -> None:
    """Common conditions raise no warning: one that is often wrong is not read."""
    assert said(source) == []


@pytest.mark.parametrize(
    "guard",
    [
        f"({TEAM} || person.admin)",
        f"({TEAM}) == person.admin",
        f"({TEAM}) == false",
        f"({TEAM} ? person.admin : person.email_verified)",
        'person.attributes.exists(key, key == "team" || person.admin)',
        'person.attributes.exists(key, key != "team")',
        'person.attributes.all(key, key == "team")',
        'person.groups.exists(key, key == "team")',
        '"other" in person.attributes',
    ],
)
def test_what_asks_for_something_else(guard: str) -> None:
    """It may be true for a person who has none."""
    (found,) = said(f"{guard} && {SALES}")
    assert "fails if person.attributes has no" in found


@pytest.mark.parametrize(
    "part", [f"({MINUTE} >= 0 || request.time.getDayOfWeek() < 7)", f"({MINUTE} >= 0 || {MINUTE} < 60)"]
)
def test_what_would_take_long_is_not_judged(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition with many operands is evaluated a bounded number of times."""
    tried: list[object] = []
    whole = SyntaxTree.evaluator

    def counted(tree: SyntaxTree, node: SyntaxNode) -> Callable[[Mapping[str, Any]], Any]:
        evaluate = whole(tree, node)

        def evaluated(values: Mapping[str, Any]) -> Any:
            tried.append(node)
            return evaluate(values)

        return evaluated

    monkeypatch.setattr(SyntaxTree, "evaluator", counted)
    said(" && ".join([part] * 15))
    assert len(tried) < 60_000
    assert said(part) == said(f"{part} ") != []


def test_hours_are_settled_as_a_clock_would() -> None:
    """Every pair of hours and each comparison agree with counting the hours of a day."""
    ways: dict[str, Any] = {
        f"{HOUR} < {{0}} || {HOUR} >= {{1}}": lambda hour, one, two: hour < one or hour >= two,
        f"{HOUR} >= {{0}} && {HOUR} < {{1}}": lambda hour, one, two: one <= hour < two,
        f"!({HOUR} >= {{0}}) && {HOUR} > {{1}}": lambda hour, one, two: hour < one and hour > two,
    }
    for (source, model), one, two in product(ways.items(), range(0, 25, 4), range(0, 25, 3)):
        results = [model(hour, one, two) for hour in range(24)]
        expected = "always" if all(results) else ""
        if not any(results):
            expected = "never"
        found = said(source.format(one, two))
        assert [text.split(" true")[0].split()[-1] for text in found] == ([expected] if expected else []), (
            source.format(one, two)
        )


def test_every_text_that_is_compared_is_found() -> None:
    """It is found beside the variable, in a list and through the variable of a macro, each at its place."""
    source = '"a" in person.groups || person.groups.exists(g, g == "b" || g in ["c"]) || person.role == "d"'
    found = [
        (each.variable, each.text, source[each.offset : each.offset + 3])
        for each in find_comparisons(compile_condition(source))
    ]
    assert found == [
        ("person.groups", "a", '"a"'),
        ("person.groups", "b", '"b"'),
        ("person.groups", "c", '"c"'),
        ("person.role", "d", '"d"'),
    ]


def warned(*steps: Any, **names: list[str]) -> list[tuple[str, str]]:
    """Return the path and message of each lint warning about a condition of this flow."""
    found = lint(drawing("identification", "password", "device_code", *steps), planned_names=names)
    assert all(each.level == "warning" for each in found if each.path[-1] == "when")
    return [(".".join(map(str, each.path)), each.message) for each in found if each.path[-1] == "when"]


def refusing(when: str) -> dict[str, str]:
    """Return a step that refuses under this condition."""
    return {"id": "no", "stage": "deny", "when": when}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ('"Staff" in person.groups', "line 1, column 1: There is no group Staff. Did you mean staff?"),
        ('person.groups.exists(each, each == "Staff")', "There is no group Staff. Did you mean staff?"),
        ('!("nobody-is-called-so" in person.groups)', "There is no group nobody-is-called-so."),
        ('"Staff" in application.groups', "There is no group Staff."),
        ('"otp" in person.credentials', "There is no way to sign in otp. Did you mean totp?"),
        ('person.role == "administrator"', "There is no role administrator."),
        ('proof.method == "password"', "There is no method of RFC 8176 password."),
        ('"open_id" in request.scopes', "There is no scope open_id. Did you mean openid?"),
        ('application.client_id == "tvv"', "There is no client id tvv. Did you mean tv?"),
        ('application.name == "tvv"', "There is no application tvv."),
        ('request.kind == "devise"', "There is no kind of request devise. Did you mean device?"),
        ('steps.how.choice == "hom"', "There is no answer of the step how hom. Did you mean home?"),
        ('steps.how.decision == "refuse"', "There is no decision refuse. Did you mean refused?"),
        (
            "!request.ip.within(tenant.networks)",
            "The tenant has no trusted networks, so every address is outside.",
        ),
    ],
)
def test_names_that_nothing_has(acme: Tenant, other: Tenant, when: str, expected: str) -> None:
    """Names in a condition are looked up in the tenant in scope, never in another tenant."""
    with tenant_scope(other):
        Group.objects.get_or_create(name="Staff")
    Group.objects.get_or_create(name="staff")
    Application.objects.get_or_create(name="tv", defaults={"client_id": "tv"})
    acme.networks = []
    how = {"id": "how", "stage": "choice", "settings": {"options": [{"value": "home"}, {"value": "away"}]}}
    with tenant_scope(acme):
        [(path, message)] = warned(how, refusing(when))
    assert path == "steps.4.when"
    assert expected in message


@pytest.mark.parametrize(
    "when",
    [
        '"staff" in person.groups',
        '"totp" in person.credentials',
        '"recovery_code" in person.credentials',
        'person.role in ["", "admin"]',
        'second_factor.method != "otp"',
        '"foyer:read" in request.scopes',
        'request.kind == "authorize"',
        'steps.how.choice == "away" || steps.how.decision == "passed over"',
    ],
)
def test_names_that_are_there(acme: Tenant, when: str) -> None:
    """Existing names raise no warning."""
    Group.objects.get_or_create(name="staff")
    how = {"id": "how", "stage": "choice", "settings": {"options": [{"value": "home"}, {"value": "away"}]}}
    assert warned(how, refusing(when)) == []


def test_names_that_come_with_it(acme: Tenant) -> None:
    """A plan knows what it will create, in the composed form that is stored."""
    assert warned(refusing('"\u00c4rzte" in person.groups'), group=["A\u0308rzte"]) == []


def test_a_condition_around_asks_first(acme: Tenant) -> None:
    """A person without the attribute never reaches a step within the section."""
    inner = {**refusing('person.attributes["team"] == "sales"'), "id": "inner"}
    assert warned({"group": "team", "when": '"team" in person.attributes', "steps": [inner]}) == []
    assert len(warned({"group": "team", "when": "person.email_verified", "steps": [inner]})) == 1


def test_a_warning_keeps_nothing_from_being_published(acme: Tenant) -> None:
    """The warning is shown with what was prepared."""
    prepared = prepare(
        drawing(
            "identification",
            "password",
            "login",
            "device_code",
            refusing('"Staff" in person.groups'),
            "consent",
        )
    )
    assert [each.message for each in prepared.warnings] == [
        "line 1, column 1: There is no group Staff. Did you mean staff?"
    ]
