"""The reference of what conditions may read: ``python -m tests.house.words`` writes docs/conditions.md."""

import os

import django

from flows.conditions.expressions import Local, vocabulary
from tests.house.source import ROOT

PAGE = ROOT / "docs" / "conditions.md"
EARLIER: Local = frozenset({("how.choice", "string"), ("how.decision", "string"), ("about_you.age", "int")})
EXAMPLES = [
    ("Only one group", '"staff" in person.groups'),
    ("From outside the office", "!request.ip.within(tenant.networks)"),
    (
        "Outside office hours in Berlin, or at the weekend (0 is Sunday)",
        'request.time.getHours("Europe/Berlin") < 8 || request.time.getHours("Europe/Berlin") >= 18'
        ' || request.time.getDayOfWeek("Europe/Berlin") in [0, 6]',
    ),
    ("From another country, or from one that nobody knows", '!(request.country in ["AT", "CH", "DE"])'),
    (
        "For one application, or for all whose maker was not verified",
        'application.client_id == "tv" || !application.verified',
    ),
    ("Without a second factor, but administrators only", "person.admin && !second_factor.present"),
    (
        "A device that asked in another network, or over five minutes ago",
        'request.kind == "device" && (!device.same_network || device.age > duration("5m"))',
    ),
    (
        "An application that wants to stay",
        'request.scopes.exists(scope, scope == "offline_access" || scope.endsWith(":write"))',
    ),
    ("A session that is older than an hour", 'session.active && session.age > duration("1h")'),
    ("By what an earlier step learned", 'steps.how.choice == "home" && steps.about_you.age >= 18'),
    (
        "By what is kept on the person, in the account's first week",
        (
            '"team" in person.attributes && person.attributes["team"] == "sales" && request.time - '
            'person.created < duration("168h")'
        ),
    ),
]
_HEAD = """# Conditions

`when` of a step says for whom it applies. It is written in [CEL](https://cel.dev), checked when the flow is saved — a misspelling is an
error with line and column — and must be `true` or `false`. One that cannot be evaluated refuses the run: nobody passes because something
was wrong. Only the words that occur are looked up.

A condition chooses, it builds nothing: inside a macro (`exists`, `all`, `filter`, `map`) there is no `+` of texts or lists and no list
but one of 50 constants at most, macros are nested three deep at most, and a regular expression is a constant. A text of more than
4,096 characters refuses the run. Texts are compared composed (Unicode NFC) on both sides. Whatever is constant is evaluated when the flow
is saved: time zones, networks, times, durations, regular expressions, numbers out of range, a division by zero.

| word | type | what it says | known from |
| --- | --- | --- | --- |
"""  # noqa: E501
_REST = """
*Known from*: the word means nothing before an earlier step gave that fact, so a flow that reads it sooner is refused. Words about a person
who does not exist, an application or a device that is gone, have empty values: `""`, `0`, `false`, `[]`, `{}`, 1 January 1970,
`duration("0s")`.

Earlier steps: `steps.<id>.decision` is what became of one, and some tell more: `steps.<id>.choice` what was chosen, `steps.<id>.<field>`
what was entered. A dash in the id is written `_`.

## Warnings

What is right as CEL and hardly meant is a warning: the builder, the API's lint, `manage.py flow publish` and `blueprint plan` show it, and
nothing is refused for it.

- A condition, or a part of one, that is always or never true: `true`, `request.kind == "device" && request.kind == "authorize"`, hours of
  which one is always reached, such as `hour < 22 || hour >= 6`.
- A name that the tenant does not have: a group, an application, a client id, a scope, a way to sign in, a role, an answer or a decision of
  an earlier step. A plan knows what it will create.
- `person.attributes["team"] == "sales"` without `"team" in person.attributes`, which refuses whoever has no team; an item of a list that
  may be shorter.
- `request.ip in tenant.networks`, which compares texts: `request.ip.within(tenant.networks)` is meant.
- `tenant.networks` while the tenant has none: every address is outside.

## Functions

| function | what it says |
| --- | --- |
| `address.within(networks)` | whether an address lies in one of the networks: `request.ip.within(["10.0.0.0/8", "2001:db8::/32"])` |
| `timestamp.getHours("Europe/Berlin")` | 0 to 23 in that zone |
| `getMinutes`, `getDayOfWeek`, `getDate`, `getMonth` | alike; Sunday is 0, the first of a month 1, January 0 |
| `duration("90m")` | a length of time in `h`, `m` and `s`, to compare with |
| `text.startsWith("a")`, `endsWith`, `contains`, `matches("^a+$")` | about a text; `matches` takes a regular expression (RE2) |
| `x in list`, `size(list)`, `list.exists(x, …)`, `list.all(x, …)` | about a list |
| `"key" in map && map["key"] == "…"` | about a map: asking for a key that is not there fails, and refuses the run |

## Examples

"""  # noqa: E501


def page() -> str:
    """The whole document."""
    rows = [
        f"| `{name}` | {word.type} | {word.doc} | {word.needs or ''} |"
        for name, word in sorted(vocabulary().items())
    ]
    shown = [f"{title}:\n\n```cel\n{source}\n```\n" for title, source in EXAMPLES]
    return _HEAD + "\n".join(rows) + "\n" + _REST + "\n".join(shown)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page())
