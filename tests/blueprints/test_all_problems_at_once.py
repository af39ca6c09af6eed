"""Every mistake is reported at once.

These are keys, values, names of other objects, addresses, host names, conditions and tests of flows.
"""

from typing import Any

import pytest

from blueprints.objects import edit
from idp.accounts.models import Person, Role
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.files.test_plan import refused
from tests.support.client import Door, Write

ALL = """tenant: acme
accent: red
networks: [junk]
domains: [other.test]
---
group: staff
---
person: clerk
nam: Clerk
email: alice@acme.test
groups: [staf]
---
person: driver
active: perhaps
groups: [gone]
---
flow: broken
for: authentication
steps:
  - stage: identificaton
    iff: x
  - stage: password
    settings: {retries: 7}
  - stage: login
    when: persn.groups
  - stage: deny
    on_refusal: never
---
flow: tested
title: Tested
for: logout
steps: [{stage: logout}]
tests:
  - {name: t, ends: denied}
---
application: cam
tilte: Camera
client_id: tv
scopes: [openid, acme:raed]
grants: [devicecode]
flows: {device_code: connect-a-devic, authentication: broken}
---
application: gate
type: secret
client_secret: abc
groups: [nobody]
"""
EXPECTED = [
    "2:1: accent: Enter a color",
    "3:12: networks.0: ",
    "4:1: domains: Other.test is already used",
    "9:1: nam: Unknown key. Did you mean name?",
    "10:1: email: The email address alice@acme.test is already used by alice.",
    "11:10: groups.0: There is no group staf. Did you mean staff?",
    "14:1: active: Enter true or false.",
    "15:10: groups.0: There is no group gone.",
    "17:1: title: This key is missing.",
    "20:5: steps.0.stage: Unknown stage identificaton. Did you mean identification?",
    "21:5: steps.0.iff: Unknown key.",
    "23:16: steps.1.settings.retries: Unknown setting.",
    "25:5: steps.2.when: ",
    "27:5: steps.3.on_refusal: Use 'end' or 'continue'.",
    "34:15: tests.0.ends: ",
    "37:1: tilte: Unknown key. Did you mean title?",
    "38:1: client_id: The client ID tv is already used by tv.",
    "39:18: scopes.1: There is no scope acme:raed. Did you mean acme:read?",
    "40:10: grants.0: There is no grant devicecode. Did you mean",
    (
        "41:9: flows.device_code: There is no flow connect-a-devic for device_code. Did you mean "
        "connect-a-device?"
    ),
    "44:1: type: Use 'public' or 'confidential'.",
    "46:10: groups.0: There is no group nobody.",
]


def test_a_blueprint(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Each mistake is reported once with its place, and nothing that only follows from another one."""
    found = sorted(
        refused(write_blueprint(ALL)), key=lambda each: [int(part) for part in each.split(":")[1:3]]
    )
    for each, wanted in zip(found, EXPECTED, strict=False):
        assert each.lower().startswith(f"blueprint.yaml:{wanted}".lower()), found
    assert len(found) == len(EXPECTED), found


def test_nothing_is_taken_for_pruned_in_a_file_with_mistakes(acme: Tenant, write_blueprint: Write) -> None:
    """A document that can't be read is not one that no longer exists."""
    text = "tenant: acme\n---\ngroup: night\n---\nperson: clerk\ngroups: [night]\n"
    from_file = write_blueprint(text)
    assert refused(write_blueprint(text.replace("night\n---", "night\nnight: x\n---")), prune=True) == [
        "blueprint.yaml:4:1: night: Unknown key."
    ]
    assert from_file.exists()


def test_a_circle_hides_no_slip_beside_it(acme: Tenant, write_blueprint: Write) -> None:
    """The loop is reported at the step that refers to the other flow, and neither hides the other."""
    one = (
        "---\nflow: one\ntitle: One\nfor: part\nsteps: [{stage: deny, iff: x}, {group: g, steps: [{flow: "
        "two}]}]\n"
    )
    two = "---\nflow: two\ntitle: Two\nfor: part\nsteps: [{flow: one}]\n"
    three = "---\nflow: three\ntitle: Three\nfor: part\nsteps: [{flow: one}]\n"
    four = "---\nflow: four\ntitle: Four\nfor: part\nsteps: [{stage: deny, when: persn}]\n"
    found = refused(write_blueprint("tenant: acme\n" + one + two + three + four))
    assert [each.partition(": ")[2] for each in found] == [
        "steps.0.iff: Unknown key.",
        "steps.1.steps.0.flow: Circular reference between flows: one → two → one.",
        "steps.0.when: line 1, column 1: Unknown name persn. Did you mean person.role?",
    ]


WRONG: dict[str, Any] = {
    "tilte": "T",
    "client_id": "tv",
    "scopes": ["no:such"],
    "device": {"interval": "2h"},
    "groups": ["nobody"],
}


def test_the_same_through_the_api_and_by_hand(acme: Tenant) -> None:
    """One function reads for both."""
    with tenant_scope(acme), pytest.raises(edit.InvalidObject) as why:
        edit.save("application", {"application": "cam", **WRONG}, by="alice")
    assert why.value.errors.keys() == {"tilte", "client_id", "scopes.0", "device.interval", "groups.0"}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"email": "nobody"}, {"email"}),
        ({"groups": ["gone"], "role": "king"}, {"groups.0", "role"}),
        ({"email": "bob@acme.test"}, {"email"}),
        ({"name": "x" * 200}, {"name"}),
        ({"active": "perhaps", "email": "bob@acme.test"}, {"active", "email"}),
    ],
)
def test_a_weak_password_hides_behind_nothing(acme: Tenant, said: dict[str, Any], wrong: set[str]) -> None:
    """A weak password is reported beside any other mistake, and a good one is not.

    The rest may be no value, name what does not exist, or be refused by the database.
    """
    with pytest.raises(edit.InvalidObject) as refused:
        edit.save("person", {"person": "clerk", "password": "short", **said}, by="alice")
    assert set(refused.value.errors) == {"password", *wrong}
    with pytest.raises(edit.InvalidObject) as refused:
        edit.save("person", {"person": "clerk", "password": "several words in a row", **said}, by="alice")
    assert set(refused.value.errors) == wrong


def test_a_picture_that_is_too_large_hides_no_host_name(acme: Tenant, door: Any) -> None:
    """It hides no network either."""
    with tenant_scope(acme):
        Person.objects.filter(username="alice").update(role=Role.OWNER)
    clerk: Door = door("acme.test")
    clerk.sign_in()
    said = {
        "title": "",
        "domains": "acme.test\nother.test",
        "networks": "junk",
        "accent": "#4f46e5",
        "etag": "",
    }
    page = clerk.http.post("/console/branding/", said).content.decode()
    for words in ("Enter a display name.", "is already used by another tenant", "does not appear to be"):
        assert words in page, words


VARIED = """vars:
  - {name: acme, groups: [staff]}
  - name: other
    groups: [staff, nobody]
---
tenant: !vars name
---
person: clerk
groups: !vars groups
email: !vars "{name}@x@y z"
---
application: !vars name
active: !vars name
"""


def test_a_value_of_a_variable_is_found(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """It is reported in the line of the key that reads it, with the line that sets it for this tenant."""
    found = refused(write_blueprint(VARIED))
    assert (
        "blueprint.yaml:9:1: groups.1: There is no group nobody. It comes from the variable groups in line 4."
    ) in found
    assert (
        "blueprint.yaml:13:1: active: Enter true or false. It comes from the variable name in line 2."
        in found
    )
    assert (
        "blueprint.yaml:13:1: active: Enter true or false. It comes from the variable name in line 3."
        in found
    )
