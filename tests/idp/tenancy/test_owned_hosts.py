"""One owner of a host name: FOYER_HOSTS counts like rows of the default tenant.

A new name leads nowhere until it is approved.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from blueprints.files.apply import apply
from idp.events.models import Event
from idp.tenancy.hosts import find_tenant
from idp.tenancy.models import Domain, Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.api.conftest import Program, mint
from tests.web.console.signed_in import installed, posted, signed_in, text

MINE = ["acme.test", "*.acme.test"]


@pytest.fixture(autouse=True)
def foyer_hosts(settings: Settings) -> None:
    """As an operator documents it: one exact name, one wildcard."""
    settings.DEFAULT_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "foyer.test", "*.foyer.test"})


@pytest.fixture
def owner(tenants: dict[str, Tenant]) -> Program:
    """A program of the owner of the installation, on the default tenant's host."""
    with tenant_scope(installed()):
        return Program(mint("owner", host="localhost"), "localhost")


@pytest.mark.parametrize(
    "domain",
    ["login.foyer.test", "*.eu.foyer.test", "*.foyer.test", "foyer.test", "*.test", "a.b.foyer.test"],
)
@pytest.mark.parametrize("role", ["owner", "admin"])
def test_no_tenant_takes_a_host_of_the_default_tenant(
    acme: Tenant, door: Doors, role: str, domain: str
) -> None:
    """No tenant takes such a name by branding page, API, or an uploaded blueprint.

    That holds for a name below a wildcard of FOYER_HOSTS and for one above its names.
    """
    person, wanted = Program(mint(role)), [*MINE, domain]
    assert person("PATCH", "branding", {"domains": wanted}).status_code in (403, 409)
    sent = {"text": f"tenant: acme\ndomains: [acme.test, '*.acme.test', '{domain}']\n"}
    assert person("POST", "blueprints/plan", sent).status_code in (400, 403)
    assert person("POST", "blueprints/apply", sent).status_code in (400, 403)
    form = {
        "title": "Acme",
        "accent": "#4f46e5",
        "networks": "",
        "mail_from": "",
        "domains": "\n".join(wanted),
    }
    browser = signed_in(door, role)
    form["etag"] = text(browser, "/console/branding/").split('name="etag" value="')[1].partition('"')[0]
    assert browser.http.post("/console/branding/", form).status_code in (400, 403)
    assert sorted(Domain.objects.filter(tenant=acme).values_list("name", flat=True)) == sorted(MINE)


def test_an_equal_name_is_nobodys_but_the_default_tenants(
    owner: Program, tenants: dict[str, Tenant], write_blueprint: Callable[..., Path]
) -> None:
    """Not even the installation gives it away by mistake: applying a file and the owner's form report it."""
    for name in ("foyer.test", "*.foyer.test"):
        assert owner("PATCH", "tenants/acme", {"domains": ["acme.test", name]}).status_code == 409
        with pytest.raises(Exception, match="is reserved for the default tenant"):
            apply([write_blueprint(f"tenant: acme\ndomains: ['{name}']\n")])
    Domain.objects.create(tenant=tenants["acme"], name="*.foyer.test", approved=True)
    found = find_tenant("x.foyer.test")
    assert found is not None
    assert found.name == "default", "a row that was there before leads nowhere"


def test_the_owner_may_give_one_below(owner: Program, tenants: dict[str, Tenant]) -> None:
    """It leads there at once."""
    assert owner("PATCH", "tenants/acme", {"domains": ["acme.test", "acme.foyer.test"]}).status_code == 200
    assert find_tenant("acme.foyer.test") == tenants["acme"]


def test_a_new_name_waits_for_the_owner(acme: Tenant, owner: Program, door: Doors) -> None:
    """A new name leads nowhere, the branding page says that it waits, and the owner sees it and decides.

    Each decision is an event.
    """
    person = Program(mint("admin"))
    assert (
        person("PATCH", "branding", {"domains": [*MINE, "login.acme.example", "*.acme.example"]}).status_code
        == 200
    )
    assert person.get("branding/domains") == {
        "approved": ["*.acme.test", "acme.test"],
        "waiting": ["*.acme.example", "login.acme.example"],
    }
    assert find_tenant("login.acme.example") is None
    assert door("login.acme.example").get("/sign-in").status_code == 404
    page = text(signed_in(door, "admin"), "/console/branding/")
    assert "Pending approval" in page
    assert [row["asked"] for row in owner.get("tenants/")["rows"] if row["name"] == "acme"] == [
        ["*.acme.example", "login.acme.example"]
    ]
    chief = signed_in(door, "owner", "localhost")
    assert "login.acme.example" in text(chief, "/console/tenants/")
    assert "Approve login.acme.example" in text(chief, "/console/tenants/one/acme")
    posted(chief, "/console/tenants/domain/acme", {"domain": "login.acme.example", "decision": "approve"})
    assert find_tenant("login.acme.example") == acme
    assert owner("POST", "tenants/acme/domains/refuse", {"domain": "*.acme.example"}).json() == {
        "changed": True
    }
    assert owner("POST", "tenants/acme/domains/refuse", {"domain": "login.acme.example"}).json() == {
        "changed": False
    }
    assert not Domain.objects.filter(name="*.acme.example").exists()
    kinds = list(
        Event.objects.order_by("pk").filter(kind__startswith="tenant.domain").values_list("kind", "actor")
    )
    assert kinds == [("tenant.domain_approved", "alice"), ("tenant.domain_refused", "owner")]


def test_only_the_operator_decides(acme: Tenant, door: Doors) -> None:
    """Neither the tenant's own owner nor an administrator of the default tenant can approve."""
    Domain.objects.create(tenant=acme, name="login.acme.example")
    assert (
        Program(mint("owner"))(
            "POST", "tenants/acme/domains/approve", {"domain": "login.acme.example"}
        ).status_code
        == 403
    )
    with tenant_scope(installed()):
        deputy = Program(mint("admin", host="localhost"), "localhost")
    assert deputy("POST", "tenants/acme/domains/approve", {"domain": "login.acme.example"}).status_code == 403
    assert find_tenant("login.acme.example") is None


def test_what_waits_is_kept_and_can_be_given_up(acme: Tenant, owner: Program) -> None:
    """A list saved by the owner leaves it waiting; one saved by its tenant without the name withdraws it."""
    person = Program(mint("admin"))
    person("PATCH", "branding", {"domains": [*MINE, "login.acme.example"]})
    assert owner("PATCH", "tenants/acme", {"domains": ["acme.test", "acme.example"]}).status_code == 200
    assert person.get("branding/domains") == {
        "approved": ["acme.example", "acme.test"],
        "waiting": ["login.acme.example"],
    }
    person("PATCH", "branding", {"domains": ["acme.test", "acme.example"]})
    assert person.get("branding/domains") == {"approved": ["acme.example", "acme.test"], "waiting": []}


def test_a_file_of_the_installation_approves_what_it_names(
    acme: Tenant, write_blueprint: Callable[..., Path]
) -> None:
    """A requested name is approved as well, and then nothing is left to decide."""
    Program(mint("admin"))("PATCH", "branding", {"domains": [*MINE, "login.acme.example"]})
    file = write_blueprint("tenant: acme\ndomains: [acme.test, '*.acme.test', login.acme.example]\n")
    assert apply([file]).counts["update"] == 1
    assert find_tenant("login.acme.example") == acme
    assert apply([file]).counts["update"] == 0


def test_what_waits_is_no_door_to_stand_in(
    acme: Tenant, door: Doors, capsys: pytest.CaptureFixture[str]
) -> None:
    """No administrator replaces the name they are on by one that leads nowhere yet.

    No link leads to such a name.
    """
    browser = signed_in(door, "admin")
    form: dict[str, object] = {
        "title": "Acme",
        "accent": "#4f46e5",
        "networks": "",
        "mail_from": "",
        "domains": "*.test",
    }
    form["etag"] = text(browser, "/console/branding/").split('name="etag" value="')[1].partition('"')[0]
    assert "You are using acme.test" in posted(browser, "/console/branding/", form, status=400)
    Domain.objects.filter(tenant=acme).delete()
    Domain.objects.create(tenant=acme, name="aaa.acme.example")
    call_command("person", "recovery-link", "alice", "--tenant", "acme")
    assert "aaa.acme.example" not in capsys.readouterr().out


def test_a_wildcard_that_waits_is_in_nobodys_way(
    acme: Tenant, owner: Program, tenants: dict[str, Tenant]
) -> None:
    """A waiting wildcard blocks no other tenant's request for a name below it."""
    with tenant_scope(tenants["other"]):
        other_tenant = Program(mint("admin", host="other.test"), "other.test")
    person = Program(mint("admin"))
    assert (
        person("PATCH", "branding", {"domains": [*MINE, "*.example", "login.deep.example"]}).status_code
        == 200
    )
    wanted = ["other.test", "*.other.test", "login.shop.example", "*.deep.example"]
    assert other_tenant("PATCH", "branding", {"domains": wanted}).status_code == 200
    for each in ("login.shop.example", "*.deep.example"):
        assert owner("POST", "tenants/other/domains/approve", {"domain": each}).status_code < 300
    assert find_tenant("login.shop.example") == tenants["other"]
    assert other_tenant("PATCH", "branding", {"domains": [*wanted, "*.acme.test"]}).status_code == 409
    assert other_tenant("PATCH", "branding", {"domains": [*wanted, "new.acme.test"]}).status_code == 403, (
        "an approved wildcard counts"
    )


def test_names_of_other_tenants_are_not_shown(acme: Tenant, owner: Program) -> None:
    """A tenant sees that the name belongs to another one; the owner of the installation sees which."""
    Domain.objects.create(tenant=Tenant.objects.get(name="other"), name="login.globex.test")
    response = Program(mint("admin"))(
        "PATCH", "branding", {"domains": [*MINE, "login.globex.test"]}
    ).content.decode()
    assert "is already used by another tenant" in response
    assert "other already" not in response
    assert (
        "is already used by the tenant other"
        in owner("PATCH", "tenants/acme", {"domains": ["login.globex.test"]}).content.decode()
    )


def test_a_domain_has_one_spelling(
    acme: Tenant, owner: Program, write_blueprint: Callable[..., Path]
) -> None:
    """By file, API and branding page a domain is stored as browsers send it, in any spelling.

    Another tenant does not get it in another spelling either.
    """
    file = write_blueprint("tenant: acme\ndomains: [ACME.test., '*.acme.test', LOGIN.München.example]\n")
    assert apply([file]).counts["update"] == 1
    assert apply([file]).counts["update"] == 0
    assert find_tenant("login.xn--mnchen-3ya.example") == acme
    for written in ("Login.MÜNCHEN.example.", "login.xn--mnchen-3ya.example", "*.ACME.test"):
        assert (
            "is already used by the tenant acme"
            in owner("PATCH", "tenants/other", {"domains": [written]}).content.decode()
        )
        made = {"name": "new", "title": "New", "domain": written, "administrator": "first"}
        assert "is already used by the tenant acme" in owner("POST", "tenants/", made).content.decode()
    asked = Program(mint("admin"))(
        "PATCH", "branding", {"domains": ["acme.test", "*.acme.test", "Bücher.Example"]}
    )
    assert asked.status_code == 200, asked.content
    assert Domain.objects.get(name="xn--bcher-kva.example").tenant == acme


@pytest.mark.parametrize(
    "written",
    ["https://login.acme.example", "login.acme.example:8000", "login.acme.example/x", "my_host.example", "*"],
)
def test_a_domain_that_no_request_can_name_is_refused(
    acme: Tenant, owner: Program, write_blueprint: Callable[..., Path], written: str
) -> None:
    """The error names the value, in every way of writing it."""
    assert (
        f"'{written}' is no host name"
        in owner("PATCH", "tenants/acme", {"domains": [written]}).json()["error_description"]
    )
    assert Program(mint("admin"))("PATCH", "branding", {"domains": [*MINE, written]}).status_code == 400
    with pytest.raises(Exception, match="is no host name"):
        apply([write_blueprint(f"tenant: acme\ndomains: ['{written}']\n")])
