"""Conditions are bounded in memory and time.

What could grow, or could never be right, is refused when the flow is saved.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.conditions.expressions import MAX_TEXT_LENGTH, BadCondition, ConditionFailed, compile_condition
from idp.accounts.models import Group, Person
from idp.foundation.condition_variables import EvaluationContext
from idp.foundation.facts import ClaimedPerson, Facts
from idp.tenancy.models import Tenant
from tests.support.conditions import applies

UNKNOWN = EvaluationContext(Facts(), "203.0.113.9", "Test/1.0")
TEN = "[" + ",".join(["1"] * 10) + "]"
BOMB = "['" + "a" * 900 + "']" + ".map(x,x+x+x+x+x+x+x+x+x+x)" * 6 + "[0].size()>0"
GROWING = {
    "texts": BOMB,
    "lists": "[[1]]" + ".map(x,x+x)" * 8 + ".size() > 0",
    "bytes": "[b'a'].map(x,x+x).size() > 0",
    "through a name": "['a'].exists(a, [a].exists(b, [b+b].exists(c, c+c == a)))",
    "anything": "[dyn('a')].map(x,x+x).size() > 0",
    "lists of the same": "[1].exists(a, [[a,a,a,a]].exists(b, [[b,b,b,b]].exists(c, c == c)))",
    "maps": "[1].all(a, {'a': a}.size() > 0)",
    "below a filter": "['a'].filter(x, (x+x).size() > 1).size() > 0",
    "below a map with a condition": "['a'].map(x, true, x+x).size() > 0",
    "long lists, made in each round": f"{TEN}.map(a, {TEN}.map(b, [{','.join(['1'] * 51)}])).size() > 0",
    "a long map": f"{TEN}.exists(a, {{{','.join(f'{key}:1' for key in range(26))}}}.size() == a)",
    "lists of lists": f"{TEN}.exists(a, [{','.join([TEN] * 6)}].size() == a)",
    "with a comment before": "['a'].map(x, // )\n x+x).size() > 0",
    "behind a raw text": "r'\\' == '' || ['a'].map(x, x+x).size() > 0 || '' == '\\''",
    "many": " && ".join(["person.name + 'a' == ''"] * 10),
    "nested macros": f"{TEN}.all(a,{TEN}.all(b,{TEN}.all(c,{TEN}.all(d,true))))",
    "a regular expression that doubles": "request.agent.matches('((a|b){1,30}c{1,30}){1,20}')",
    "a regular expression from outside": "request.agent.matches(person.name)",
    "a regular expression again and again": f"{TEN}.all(a, request.agent.matches('a'))",
    "a regular expression of a copy": "[request.agent].all(a, a.matches('a'))",
    "many regular expressions": " || ".join(["request.agent.matches('a')"] * 9),
}


@pytest.mark.parametrize("source", GROWING.values(), ids=GROWING)
def test_nothing_grows(acme: Tenant, source: str) -> None:
    """An expression that doubles in a loop, or repeats costly work, is refused before it is evaluated."""
    with pytest.raises(BadCondition):
        compile_condition(source)


@pytest.mark.parametrize(
    "source",
    [
        "person.groups.exists(g, g.startsWith('staff-') && g != 'staff-old')",
        "person.groups.exists(g, g.matches('^staff-[0-9]{1,4}$'))",
        "person.groups.filter(g, g in ['a', 'b']).size() >= 2",
        "person.groups.map(g, g.size() + 1).exists(n, n > 3)",
        f"request.scopes.all(s, s in [{','.join(repr(f'scope{number}') for number in range(50))}])",
        "request.scopes.all(s, ['openid', 'profile'].exists(known, known == s))",
        "request.scopes.exists_one(s, s == 'openid')",
        "person.email == person.username + '@acme.example'",
        "request.ip.within(['10.0.0.0/8', '2001:db8::/32'])",
        "request.time - person.created < duration('720h')",
        "request.time > timestamp('2026-01-31T12:00:00+01:00')",
    ],
)
def test_what_people_write_is_accepted(acme: Tenant, source: str) -> None:
    """The bounds accept the conditions that people need."""
    compile_condition(source)


NAMES = st.sampled_from(["x", "'a'", "request.agent", "person.groups[0]"])
PLUS = st.recursive(
    NAMES, lambda inner: st.tuples(inner, inner).map(lambda two: f"({two[0]} + {two[1]})"), max_leaves=6
)


@given(
    grown=PLUS.filter(lambda text: "+" in text),
    macro=st.sampled_from(["map(x, {})", "exists(x, {} == 'a')", "filter(x, {} in ['a'])"]),
)
def test_no_way_to_write_it_is_missed(grown: str, macro: str) -> None:
    """A concatenation in a macro is found however it is nested, alone or inside another macro."""
    inner = f"['a','b'].{macro.format(grown)}"
    found = inner if macro.startswith("exists") else f"{inner}.size() > 0"
    for source in (found, f"[1].all(y, y > 0 && {found})", f"[true].exists(y, y == ({found}))"):
        with pytest.raises(BadCondition, match=r"(?i)inside a macro"):
            compile_condition(source)


@pytest.mark.parametrize(
    ("source", "column", "said"),
    [
        ('request.ip.within(["10.0.0.0/8", "10.0.0.0/99"])', 34, "'10.0.0.0/99' isn't a valid network"),
        ('request.ip.within(["no network"])', 20, "'no network' isn't a valid network"),
        ('request.time.getHours("Nowhere/Land") == 1', 23, "'Nowhere/Land' isn't a valid time zone"),
        ('request.time.getSeconds("../etc") == 1', 25, "'../etc' isn't a valid time zone"),
        ('request.time.getDayOfWeek("Mars") == 1', 27, "'Mars' isn't a valid time zone"),
        ('request.agent.matches("(")', 23, "'(' isn't a valid regular expression"),
        ('request.agent.matches("(?=a)")', 23, "isn't a valid regular expression"),
        ('request.time > timestamp("tomorrow")', 26, "'tomorrow' isn't a valid time"),
        ('session.age > duration("5 minutes")', 24, "'5 minutes' isn't a valid duration"),
        ('int("x") == 1', 5, "'x' isn't a valid whole number"),
        (
            'request.time.getHours("Europe/Berln") > 8',
            23,
            "'Europe/Berln' isn't a valid time zone. Did you mean Europe/Berlin?",
        ),
        ('request.time.getHours("europe/berlin") > 8', 23, "Did you mean Europe/Berlin?"),
        ('request.time.getMinutes("Europe/" + "Berln") > 8', 35, "Did you mean Europe/Berlin?"),
        ('request.ip.within(true ? ["10.0.0.0/33"] : ["office"])', 24, "'10.0.0.0/33' isn't a valid network"),
        ('"999.1.2.3".within(tenant.networks)', 1, "'999.1.2.3' isn't a valid address"),
        ('session.age > duration("5" + "x")', 28, "'5x' isn't a valid duration"),
        ('uint("-1") == 1u', 6, "'-1' isn't a valid whole number"),
        ('double("x") > 1.0', 8, "'x' isn't a valid number"),
        ('bool("x")', 6, "'x' isn't a valid boolean"),
        ("person.groups.size() / 0 == 1", 24, "Division by zero"),
        ("person.groups.size() % 0 == 1", 24, "Division by zero"),
        ("person.groups.exists(each, 1 / (2 - 2) == 1)", 30, "This always fails: divide by zero"),
        ('person.groups[-1] == "a"', 15, "List index -1"),
        ("[1, 2][5] == 1", 7, "This always fails: index error"),
        ('{"a": 1}["b"] == 1', 9, 'key not found in map : "b"'),
        ("9223372036854775807 + 1 > 0", 21, "integer overflow"),
        ('int("7") + [1][2 - 1] == 1', 15, "index error"),
        ('timestamp("9999-12-31T00:00:00Z") + duration("99h") > request.time', 35, "timestamp overflow"),
    ],
)
def test_constants_are_tried_when_saved(acme: Tenant, source: str, column: int, said: str) -> None:
    """A constant that can never be parsed is reported with its position when the flow is saved.

    It is not found by the first person who signs in.
    """
    with pytest.raises(BadCondition) as bad:
        compile_condition(f"true &&\n{source}")
    assert said in bad.value.message
    assert (bad.value.line, bad.value.column) == (2, column)


def test_what_is_computed_from_constants_only_is_evaluated_once(acme: Tenant) -> None:
    """Saving stays quick with many constants, and one that is nested too deep is reported in plain words."""
    compile_condition(" && ".join(["1 + 1 == 2"] * 140))
    with pytest.raises(BadCondition, match="nested too deep"):
        compile_condition("+".join(["1"] * 900) + " > 2")


def test_a_text_that_is_too_long_refuses(acme: Tenant) -> None:
    """The text that a condition searches is bounded too, and the message quotes nothing of it.

    The run is refused: the condition is neither true nor false.
    """
    alice = Person.objects.get(username="alice")
    alice.attributes = {"about": "a" * (MAX_TEXT_LENGTH + 1)}
    alice.save()
    about = EvaluationContext(Facts(person=ClaimedPerson(alice.pk, "alice")), "203.0.113.9", "Test/1.0")
    with pytest.raises(ConditionFailed, match=r"could not be evaluated$"):
        applies("person.attributes['about'].contains('b')", about)


def test_a_group_is_found_in_either_unicode_form(acme: Tenant) -> None:
    """A decomposed literal matches the composed name that is stored, so a deny step is not passed over."""
    alice = Person.objects.get(username="alice")
    alice.groups.add(Group.objects.create(name="\u00c4rzte"))
    about = EvaluationContext(Facts(person=ClaimedPerson(alice.pk, "alice")), "203.0.113.9", "Test/1.0")
    assert applies("'A\u0308rzte' in person.groups", about)
    assert applies("'\u00c4rzte' in person.groups", about)
