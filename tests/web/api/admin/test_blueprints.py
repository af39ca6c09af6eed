"""Blueprints through the API: an upload is limited to one tenant and to the rights of its uploader.

It reads no file or variable of the server, and gives no one more rights than the uploader has.
"""

import pytest

from idp.accounts.models import Group, Person
from idp.tenancy.models import Domain, Tenant
from idp.tenancy.scope import tenant_scope
from tests.web.api.conftest import BOTH, Program, Programs, mint

TEXT = "group: guests\n---\nperson: clerk\ngroups: [guests]\n"


def test_planned_then_applied_exactly_so(program: Programs, tenants: dict[str, Tenant]) -> None:
    """A plan writes nothing and is applied only if it is unchanged; drift and export follow from it."""
    admin = program()
    plan = admin("POST", "blueprints/plan", {"text": TEXT, "name": "guests"}).json()
    assert [(each["kind"], each["name"], each["action"]) for each in plan["changes"]] == [
        ("group", "guests", "create"),
        ("person", "clerk", "create"),
    ]
    assert not Group.unscoped.filter(name="guests").exists()
    assert (
        admin("POST", "blueprints/apply", {"text": TEXT, "name": "guests", "expect": "another"}).status_code
        == 412
    )
    done = admin("POST", "blueprints/apply", {"text": TEXT, "name": "guests", "expect": plan["state"]})
    assert (done.status_code, done.json()["counts"]["create"]) == (200, 2)
    assert Person.unscoped.get(username="clerk").tenant == tenants["acme"]
    assert admin.get("owned/?blueprint=acme/guests")["total"] == 2
    assert "clerk" not in [each["name"] for each in admin.get("blueprints/drift")["drifted"]]
    admin("PATCH", "people/clerk", {"groups": []})
    (drift,) = [each for each in admin.get("blueprints/drift")["drifted"] if each["name"] == "clerk"]
    assert (drift["by"], drift["keys"]) == ("admin", [{"key": "groups", "old": ["guests"], "new": []}])
    assert "person: clerk" in admin.get("blueprints/export")["text"]
    assert "person:" not in admin.get("blueprints/export?people=false")["text"]
    assert admin.get("blueprints/export?flow=connect-a-device")["text"].startswith("tenant: acme")
    assert admin("GET", "blueprints/export?flow=nowhere").status_code == 404
    pruned = admin(
        "POST", "blueprints/apply", {"text": "group: guests\n", "name": "guests", "prune": True}
    ).json()
    assert [(each["name"], each["action"]) for each in pruned["changes"]] == [("clerk", "delete")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenant: other\n---\ngroup: mine\n", "another tenant"),
        ("tenant: other\ntitle: Mine\n", "another tenant"),
        ("tenant: brand-new\n---\ngroup: mine\n", "another tenant"),
        ("tenant: default\n---\nperson: clerk\nrole: owner\n", "another tenant"),
        ("group: !env HOME\n", "!env reads from the server"),
        ("group: !env [FOYER_SECRET_KEY, x]\n", "!env reads from the server"),
        ("person: clerk\nname: !file /etc/hostname\n", "!file reads from the server"),
        ("person: clerk\nname: !file hostname\n", "!file reads from the server"),
        ("vars:\n  - {a: !env HOME}\n---\ngroup: !vars a\n", "!env reads from the server"),
        ("group: [\n", "line 2"),
        ("nonsense: x\n", "a kind of document"),
    ],
)
def test_what_may_not_be_sent(program: Programs, text: str, said: str) -> None:
    """Plan and apply refuse an upload that reads from the server or names other tenants.

    Nothing is written.
    """
    before = Group.unscoped.count(), Person.unscoped.count(), Tenant.objects.count()
    admin = program()
    after_admin = before[1] + 1
    for way in ("plan", "apply"):
        response = admin("POST", f"blueprints/{way}", {"text": text})
        assert response.status_code == 400
        assert said in response.content.decode()
    assert (Group.unscoped.count(), Person.unscoped.count(), Tenant.objects.count()) == (
        before[0],
        after_admin,
        before[2],
    )


def test_no_way_up(program: Programs) -> None:
    """An administrator's blueprint creates no owner and changes none.

    It does not even find out whether a password is an owner's.
    """
    admin = program("admin")
    program("owner")("PATCH", "people/owner", {"password": "owner-password-1"})
    owner = program("owner")  # with a proof that is newer than the password
    for text in (
        "person: clerk\nrole: owner\n",
        "person: admin\nrole: owner\n",
        "person: owner\nactive: false\n",
        "person: owner\npassword: owner-password-1\n",
        "person: owner\npassword: another-password-1\n",
    ):
        assert admin("POST", "blueprints/plan", {"text": text}).status_code == 403, text
        assert admin("POST", "blueprints/apply", {"text": text}).status_code == 403, text
    assert admin("POST", "blueprints/apply", {"text": "group: mine\n", "name": "b"}).status_code == 200
    assert (
        owner("POST", "blueprints/apply", {"text": "person: owner\nname: Owner\n", "name": "b2"}).status_code
        == 200
    )
    assert (
        admin("POST", "blueprints/apply", {"text": "group: mine\n", "name": "b2", "prune": True}).status_code
        == 403
    ), "pruning is refused too"
    assert Person.unscoped.get(username="owner").is_active
    assert Person.unscoped.filter(role="owner").count() == 1


def test_the_installations_owner_looks_after_tenants(tenants: dict[str, Tenant], program: Programs) -> None:
    """The owner of the default tenant lists and creates tenants, and may name others in a blueprint.

    This works on the default tenant's host only.
    """
    default = Tenant.objects.get_or_create(name="default", defaults={"title": "Foyer"})[0]
    Domain.objects.get_or_create(name="default.test", tenant=default, approved=True)
    with tenant_scope(default):
        owner = Program(mint("owner", BOTH, "default.test"), "default.test")
        admin = Program(mint("admin", BOTH, "default.test"), "default.test")
    assert {"acme", "other"} <= {row["name"] for row in owner.get("tenants/")["rows"]}
    wanted = {"name": "third", "title": "Third", "domain": "third.test", "administrator": "boss"}
    assert admin("POST", "tenants/", wanted).status_code == 403
    assert program("owner")("POST", "tenants/", wanted).status_code == 403, "an owner of another tenant"
    made = owner("POST", "tenants/", wanted)
    assert made.status_code == 201
    assert made.json()["recovery_url"].startswith("http://third.test/recover/")
    assert owner("POST", "tenants/", wanted).status_code == 409
    last = owner.get("blueprints/results")["results"][0]
    assert (last["blueprint"], last["by"], last["succeeded"], last["messages"]) == (
        "third",
        "owner",
        True,
        [],
    )
    assert (
        owner("POST", "blueprints/apply", {"text": "tenant: acme\n---\ngroup: by-owner\n"}).status_code == 200
    )
    assert Group.unscoped.get(name="by-owner").tenant == tenants["acme"]
    assert (
        admin("POST", "blueprints/apply", {"text": "tenant: acme\n---\ngroup: by-admin\n"}).status_code == 400
    )


def test_a_tenant_is_led_back_into(tenants: dict[str, Tenant], program: Programs) -> None:
    """The installation's owner regains access to a tenant.

    Only they list its administrators, issue a new recovery link and fix its domains.
    """
    default = Tenant.objects.get_or_create(name="default", defaults={"title": "Foyer"})[0]
    Domain.objects.get_or_create(name="default.test", tenant=default, approved=True)
    with tenant_scope(default):
        owner = Program(mint("owner", BOTH, "default.test"), "default.test")
        admin = Program(mint("admin", BOTH, "default.test"), "default.test")
    theirs = program("admin")
    Person.unscoped.filter(tenant=tenants["acme"], username="alice").update(role="owner")
    assert owner.get("tenants/acme/administrators") == {"people": ["admin", "alice"]}
    link = owner("POST", "tenants/acme/recovery-link", {"person": "alice"})
    assert link.json()["recovery_url"].startswith("http://acme.test/recover/")
    for name, person in (("acme", "bob"), ("acme", "nobody-here"), ("nowhere", "alice")):
        assert owner("POST", f"tenants/{name}/recovery-link", {"person": person}).status_code == 404
    changed = owner("PATCH", "tenants/acme", {"domains": ["acme.test", "new.acme.test"]})
    assert (changed.status_code, changed.json()["domains"]) == (200, ["acme.test", "new.acme.test"])
    assert changed["ETag"] == owner("GET", "tenants/acme")["ETag"]
    assert owner("PATCH", "tenants/acme", {"domains": ["other.test"]}).status_code == 409
    assert owner("PATCH", "tenants/acme", {"domains": ["no host"]}).status_code == 409
    assert owner("PATCH", "tenants/acme", {"title": "Mine"}).status_code == 400
    assert owner("PATCH", "tenants/nowhere", {"domains": []}).status_code == 404
    assert owner("PATCH", "tenants/other", {"domains": ["*.other.test"]}).status_code == 200
    program("owner", host="other.test")
    assert owner("POST", "tenants/other/recovery-link", {"person": "owner"}).status_code == 409, (
        "a wildcard is not an address"
    )
    for acting in (admin, theirs, program("owner")):
        assert acting("GET", "tenants/acme/administrators").status_code == 403
        assert acting("POST", "tenants/acme/recovery-link", {"person": "alice"}).status_code == 403
        assert acting("PATCH", "tenants/acme", {"domains": []}).status_code == 403
        assert acting("GET", "blueprints/results").status_code == 403
