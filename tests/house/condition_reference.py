"""The reference of condition variables: ``python -m tests.house.condition_reference`` writes it."""

import os

import django

from flows.conditions.expressions import StepVariables, condition_variables
from tests.house.source import ROOT

PAGE = ROOT / "docs" / "conditions.md"
EARLIER: StepVariables = frozenset(
    {("how.choice", "string"), ("how.decision", "string"), ("about_you.age", "int")}
)
EXAMPLES = [
    ("Members of one group", '"staff" in person.groups'),
    ("Outside the trusted networks", "!request.ip.within(tenant.networks)"),
    (
        "Outside office hours in Berlin, or at the weekend (0 is Sunday)",
        'request.time.getHours("Europe/Berlin") < 8 || request.time.getHours("Europe/Berlin") >= 18'
        ' || request.time.getDayOfWeek("Europe/Berlin") in [0, 6]',
    ),
    ("From another country, or from an unknown one", '!(request.country in ["AT", "CH", "DE"])'),
    (
        "For one application, or for all without a verified publisher",
        'application.client_id == "tv" || !application.verified',
    ),
    ("Administrators without a second factor", "person.admin && !second_factor.present"),
    (
        "A device on another network, or a request that is older than five minutes",
        'request.kind == "device" && (!device.same_network || device.age > duration("5m"))',
    ),
    (
        "An application that requests offline access or write scopes",
        'request.scopes.exists(scope, scope == "offline_access" || scope.endsWith(":write"))',
    ),
    ("A session that is older than one hour", 'session.active && session.age > duration("1h")'),
    ("By results of earlier steps", 'steps.how.choice == "home" && steps.about_you.age >= 18'),
    (
        "By an attribute of the person, in the first week of the account",
        (
            '"team" in person.attributes && person.attributes["team"] == "sales" && request.time - '
            'person.created < duration("168h")'
        ),
    ),
]
_HEAD = """# Conditions

`when` of a step says to whom the step applies. A condition is written in [CEL](https://cel.dev) and checked when the flow is saved: a
misspelled name is an error with line and column. It must be `true` or `false`. A condition that cannot be evaluated denies access, so an
error never lets anyone in. Only the variables that a condition contains are loaded.

The cost of a condition is limited:

- Inside a macro (`exists`, `all`, `filter`, `map`), strings and lists cannot be concatenated with `+`, and lists can only contain constants,
  50 at most.
- Macros can be nested three levels deep.
- A regular expression must be a constant.
- A string of more than 4,096 characters denies access.

Strings are normalized on both sides before they are compared (Unicode NFC). Constants are checked when the flow is saved: time zones, networks,
times, durations, regular expressions, numbers out of range, a division by zero.

## Variables

| variable | type | meaning | available after |
| --- | --- | --- | --- |
"""  # noqa: E501
_REST = """
*Available after*: the fact that an earlier step has to give. A flow that reads the variable before is rejected. Variables about a person who
does not exist, or an application or device that was deleted, have empty values: `""`, `0`, `false`, `[]`, `{}`, 1 January 1970,
`duration("0s")`.

Results of earlier steps: `steps.<id>.decision` is the result of a step. Some steps have more: `steps.<id>.choice` is the selected option,
`steps.<id>.<field>` is what was entered. Write a dash in an id as `_`.

## Warnings

A condition that is valid but probably wrong causes a warning in the builder, in the API's lint, in `manage.py flow publish` and in
`blueprint plan`. A warning does not block anything.

- A condition, or a part of one, that is always true or never true: `true`, `request.kind == "device" && request.kind == "authorize"`, or
  hours of which one always applies, such as `hour < 22 || hour >= 6`.
- A name that the tenant does not have: a group, an application, a client ID, a scope, a sign-in method, a role, an option or a decision of an
  earlier step. A plan takes into account what it will create.
- `person.attributes["team"] == "sales"` without `"team" in person.attributes`, which denies access to a person without a team; an item of a
  list that may be shorter.
- `request.ip in tenant.networks`, which compares strings. Use `request.ip.within(tenant.networks)`.
- `tenant.networks` while the tenant has no trusted networks: every address is outside.

## Functions

| function | meaning |
| --- | --- |
| `address.within(networks)` | whether an address is in one of the networks: `request.ip.within(["10.0.0.0/8", "2001:db8::/32"])` |
| `timestamp.getHours("Europe/Berlin")` | the hour in that time zone, 0 to 23 |
| `getMinutes`, `getDayOfWeek`, `getDate`, `getMonth` | likewise; Sunday is 0, the first day of a month is 1, January is 0 |
| `duration("90m")` | a duration in `h`, `m` and `s`, for comparisons |
| `text.startsWith("a")`, `endsWith`, `contains`, `matches("^a+$")` | tests of a string; `matches` takes a regular expression (RE2) |
| `x in list`, `size(list)`, `list.exists(x, …)`, `list.all(x, …)` | tests of a list |
| `"key" in map && map["key"] == "…"` | tests of a map. Reading a key that does not exist fails and denies access |

## Examples

"""  # noqa: E501


def page() -> str:
    """The whole document."""
    rows = [
        f"| `{name}` | {word.type} | {word.doc} | {word.required_fact or ''} |"
        for name, word in sorted(condition_variables().items())
    ]
    shown = [f"{title}:\n\n```cel\n{source}\n```\n" for title, source in EXAMPLES]
    return _HEAD + "\n".join(rows) + "\n" + _REST + "\n".join(shown)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page())
