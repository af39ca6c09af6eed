"""What --prune takes away: only what was this blueprint's own, and never what a tenant cannot be without."""

from collections.abc import Callable
from pathlib import Path

from blueprints.apply import apply
from blueprints.models import Owned
from blueprints.plan import make_plan
from flows.models import Version
from idp.accounts.models import Group, Person
from idp.oauth.models import Scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.test_plan import EVERY_KIND, changes, refused

Write = Callable[..., Path]
PRUNED = "tenant: acme\n---\nscope: one\ntitle: One\n---\nscope: two\ntitle: Two\n---\ngroup: night\n---\nperson: clerk\nrole: admin\n"


def test_prune_takes_only_what_was_this_blueprints(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Not what was there, not another blueprint's, not what another took over, not the neighbour's, not a tenant."""
    mine = write_blueprint(PRUNED, "mine.yaml")
    apply([mine])
    apply([write_blueprint(PRUNED.replace("acme", "other"), "mine-too.yaml")], name="mine")
    apply([write_blueprint("tenant: acme\n---\nscope: two\ntitle: Two\n---\nscope: three\ntitle: Three\n", "theirs.yaml")])
    mine = write_blueprint("tenant: acme\n---\nperson: clerk\n", "mine.yaml")
    assert changes(make_plan([mine])) == {}
    assert changes(make_plan([mine], prune=True)) == {"scope one": ("delete", {}), "group night": ("delete", {})}
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
    """Whether the others go with them, or lose the right in the same blueprint; and says so."""
    apply(
        [write_blueprint(PRUNED.replace("clerk", "driver"), "b.yaml"), write_blueprint("tenant: acme\n---\nperson: clerk\nrole: admin\n")],
        name="b",
    )
    empty = write_blueprint('tenant: acme\n---\nscope: one\ntitle: One\n---\nperson: driver\nrole: ""\n', "b.yaml")
    plan = apply([empty], prune=True)
    assert plan.notes == ["person clerk of acme is kept: the tenant would have no administrator."]
    assert list(Person.objects.filter(role="admin").values_list("username", flat=True)) == ["clerk"]
    for key, value in (("role", "auditor"), ("active", "false")):
        found = refused(write_blueprint(f"tenant: acme\n---\nperson: clerk\n{key}: {value}\n", "b.yaml"))
        assert found == [f"b.yaml:4:1: {key}: Without this person the tenant would have no administrator any more."]
    apply([write_blueprint('tenant: acme\n---\nperson: clerk\nrole: ""\n---\nperson: engineer\nrole: admin\n', "b.yaml")])
    assert list(Person.objects.filter(role="admin").values_list("username", flat=True)) == ["engineer"]


def test_everything_of_a_blueprint_can_be_pruned(acme: Tenant, write_blueprint: Write) -> None:
    """Flows with their versions, applications, mails: in an order in which nothing hangs on what is gone."""
    text = EVERY_KIND + "---\nflow: extra\ntitle: T\nfor: part\nsteps: [{stage: deny}]\n---\napplication: cam\nscopes: [acme:read]\n"
    apply([write_blueprint(text)])
    left = write_blueprint("tenant: acme\n---\nperson: alice\nname: Alice\n")
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
