"""--prune removes only this blueprint's own objects, and never what a tenant cannot be without."""

import pytest

from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from blueprints.models import Owned
from flows.models import Version
from idp.accounts.models import Group, Person
from idp.oauth.models import Scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.files.test_plan import EVERY_KIND, changes, refused
from tests.support.client import Write

PRUNED = (
    "tenant: acme\n---\nscope: one\ntitle: One\n---\nscope: two\ntitle: Two\n---\ngroup: "
    "night\n---\nperson: clerk\nrole: admin\n"
)


def test_prune_takes_only_what_was_this_blueprints(
    tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """It leaves older objects, another blueprint's or tenant's, those taken over, and tenants."""
    mine = write_blueprint(PRUNED, "mine.yaml")
    apply([mine])
    apply([write_blueprint(PRUNED.replace("acme", "other"), "mine-too.yaml")], name="mine")
    apply(
        [
            write_blueprint(
                "tenant: acme\n---\nscope: two\ntitle: Two\n---\nscope: three\ntitle: Three\n", "theirs.yaml"
            )
        ]
    )
    mine = write_blueprint("tenant: acme\n---\nperson: clerk\n", "mine.yaml")
    assert changes(make_plan([mine])) == {}
    assert changes(make_plan([mine], prune=True)) == {
        "scope one": ("delete", {}),
        "group night": ("delete", {}),
    }
    apply([mine], prune=True)
    with tenant_scope(tenants["acme"]):
        assert sorted(Scope.objects.values_list("name", flat=True)) == ["acme:read", "three", "two"]
        assert sorted(Group.objects.values_list("name", flat=True)) == ["staff"]
        assert sorted(Owned.objects.filter(blueprint="mine").values_list("name", flat=True)) == ["clerk"]
        assert Person.objects.filter(username="alice").exists()
    with tenant_scope(tenants["other"]):
        assert Scope.objects.filter(name__in=("one", "two")).count() == 2
    assert changes(make_plan([mine], prune=True)) == {}


def test_prune_keeps_the_last_administrator(acme: Tenant, write_blueprint: Write) -> None:
    """It says so, whether the others are deleted too or lose the right in the same blueprint."""
    apply(
        [
            write_blueprint(PRUNED.replace("clerk", "driver"), "b.yaml"),
            write_blueprint("tenant: acme\n---\nperson: clerk\nrole: admin\n"),
        ],
        name="b",
    )
    empty = write_blueprint(
        'tenant: acme\n---\nscope: one\ntitle: One\n---\nperson: driver\nrole: ""\n', "b.yaml"
    )
    plan = apply([empty], prune=True)
    assert plan.notes == ["person clerk of acme is not deleted: the tenant would have no administrator."]
    assert list(Person.objects.filter(role="admin").values_list("username", flat=True)) == ["clerk"]
    for key, value in (("role", "auditor"), ("active", "false")):
        found = refused(write_blueprint(f"tenant: acme\n---\nperson: clerk\n{key}: {value}\n", "b.yaml"))
        assert found == [f"b.yaml:4:1: {key}: Without this person, the tenant would have no administrator."]
    apply(
        [
            write_blueprint(
                'tenant: acme\n---\nperson: clerk\nrole: ""\n---\nperson: engineer\nrole: admin\n', "b.yaml"
            )
        ]
    )
    assert list(Person.objects.filter(role="admin").values_list("username", flat=True)) == ["engineer"]


def test_everything_of_a_blueprint_can_be_pruned(acme: Tenant, write_blueprint: Write) -> None:
    """Flows with their versions, applications and mails are deleted before what they depend on."""
    text = EVERY_KIND + (
        "---\nflow: extra\ntitle: T\nfor: part\nsteps: [{stage: deny}]\n---\napplication: cam\nscopes: "
        "[acme:read]\n"
    )
    apply([write_blueprint(text)])
    left = write_blueprint("tenant: acme\n---\nperson: alice\nname: Alice\ngroups: [staff]\n")
    gone = {name for name, (action, _) in changes(apply([left], prune=True)).items() if action == "delete"}
    assert gone == {
        "mail recovery",
        "application tv",
        "application cam",
        "flow extra",
        "flow connect-a-device",
        "person clerk",
        "group night",
        "scope acme:read",
    }
    assert not Version.objects.filter(flow__name="extra").exists()
    assert Tenant.objects.filter(name="acme", title="Acme Ltd").exists()


SIGN_IN = """tenant: acme
---
flow: sign-in
title: Sign in
for: authentication
steps: [{stage: identification}, {stage: password}, {stage: login}]
"""
ALL_DAY = 'request.time.getHours("UTC") < 22 || request.time.getHours("UTC") >= 6'
DENY = "The flow sign-in of acme can't be completed: the step deny refuses everyone."
NONE = "acme no longer has a default flow for authentication: no one can sign in."


@pytest.mark.parametrize(
    ("steps", "noted"),
    [
        ("{stage: deny}, {stage: identification}, {stage: password}, {stage: login}", True),
        ("{stage: identification}, {stage: password}, {stage: login}, {stage: deny}", True),
        (
            "{group: g, steps: [{stage: deny}]}, {stage: identification}, {stage: password}, {stage: login}",
            True,
        ),
        ("{stage: deny, when: 'true'}, {stage: identification}, {stage: password}, {stage: login}", True),
        (
            (
                f"{{stage: deny, when: '{ALL_DAY}'}}, {{stage: identification}}, {{stage: password}}, "
                f"{{stage: login}}"
            ),
            True,
        ),
        (
            (
                f"{{group: g, when: '{ALL_DAY}', steps: [{{stage: deny}}]}}, {{stage: identification}}, "
                f"{{stage: password}}, {{stage: login}}"
            ),
            True,
        ),
        (
            (
                "{stage: deny, when: 'request.agent == \"x\"'}, {stage: identification}, {stage: password}, "
                "{stage: login}"
            ),
            False,
        ),
        (
            (
                "{stage: deny, on_refusal: continue}, {stage: identification}, {stage: password}, {stage: "
                "login}"
            ),
            False,
        ),
        (
            (
                "{group: g, on_refusal: continue, steps: [{stage: deny}]}, {stage: identification}, {stage: "
                "password}, {stage: login}"
            ),
            False,
        ),
        (
            (
                "{stage: identification}, {stage: password}, {stage: login}, {stage: redirect, settings: "
                "{to: /}}, {stage: deny}"
            ),
            False,
        ),
    ],
)
def test_a_plan_says_when_no_one_can_sign_in_any_more(
    acme: Tenant, write_blueprint: Write, steps: str, noted: bool
) -> None:
    """A deny step without a condition is reported, wherever it stands.

    One that is caught, or that not everyone reaches, is not.
    """
    apply([write_blueprint(SIGN_IN)])
    plan = make_plan([write_blueprint(SIGN_IN.partition("steps:")[0] + f"steps: [{steps}]\n")])
    assert [note for note in plan.notes if "always true" not in note] == ([DENY] if noted else [])


def test_a_plan_says_when_the_flow_for_signing_in_goes(acme: Tenant, write_blueprint: Write) -> None:
    """It is reported when it is pruned or no longer the tenant's own, but not when another replaces it."""
    apply([write_blueprint(SIGN_IN)])
    assert make_plan([write_blueprint("tenant: acme\n")], prune=True).notes == [NONE]
    assert make_plan([write_blueprint(SIGN_IN + "default: false\n")]).notes == [NONE]
    other = write_blueprint(SIGN_IN.replace("flow: sign-in", "flow: sign-in-2"))
    assert make_plan([other], prune=True).notes == []
