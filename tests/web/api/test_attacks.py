"""Attacks of a hostile program on the API, each with the expected response."""

from typing import Any

import pytest

from idp.accounts.models import Person
from idp.oauth.models import Application
from idp.tenancy.models import Domain, Tenant
from tests.web.api.conftest import Programs, mint


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "events/?since=0001-01-01T00:00:00%2B14:00", None, 400),
        ("GET", "events/?until=9999-12-31T23:59:59-14:00", None, 400),
        ("PUT", "people/clerk", '{"attributes": {"a": 1e999}}', 400),
        ("PUT", "flows/fresh/draft", '{"steps": [{"stage": "deny", "settings": {"x": -1e999}}]}', 400),
        (
            "POST",
            "flows/connect-a-device/simulate",
            {"request": {"signed_in": ["pwd"], "session_age": 10**20}},
            400,
        ),
        (
            "POST",
            "flows/connect-a-device/simulate",
            {"request": {"signed_in": ["pwd"], "time": "0001-01-01T00:00:00Z"}},
            400,
        ),
        ("POST", "flows/connect-a-device/simulate", {"request": {"device_age": 10**20}}, 400),
        ("POST", "flows/connect-a-device/simulate", {"request": {"time": 0}}, 400),
        ("POST", "flows/connect-a-device/simulate", {"request": {"time": "0"}}, 400),
        ("POST", "flows/connect-a-device/simulate", {"request": {"device_age": "5"}}, 400),
        ("POST", "flows/connect-a-device/simulate", {"request": {"session_age": True}}, 400),
        ("POST", "flows/connect-a-device/simulate", {"request": {"time": "2026-01-31T18:00:00+01:00"}}, 200),
        ("POST", "flows/connect-a-device/rollback", {"version": "1"}, 400),
        ("PATCH", "people/bob", {"active": "no"}, 400),
    ],
)
def test_numbers_and_moments_that_nothing_can_hold(
    program: Programs, method: str, path: str, body: Any, status: int
) -> None:
    """Numbers and times that cannot be represented are refused and never a 500.

    1e999 is infinite, the year 1 does not exist in every time zone, and an age can exceed all time.
    """
    assert program()(method, path, body).status_code == status


def test_a_scope_that_was_taken_from_the_application_opens_nothing(program: Programs, acme: Tenant) -> None:
    """Removing a scope from an application affects issued tokens at once.

    An administrator who removes foyer:write does not wait a day for it.
    """
    admin = program()
    assert admin("PUT", "groups/guests", {}).status_code == 201
    Application.objects.filter(name="admin-cli").update(scopes=["openid", "foyer:read"])
    assert admin("PUT", "groups/others", {}).json()["error"] == "insufficient_scope"
    assert admin.get("groups/others", 404)
    Application.objects.filter(name="admin-cli").update(scopes=["openid"])
    assert admin("GET", "me").json()["error"] == "insufficient_scope"


def test_a_token_that_only_reads_tries_no_passwords(program: Programs, acme: Tenant) -> None:
    """A plan reveals whether a password is the stored one, so it requires a token that could set it."""
    with_password = {"text": "person: alice\npassword: alice-password-1\n"}
    reader, writer = program("admin", "foyer:read"), program("admin", "foyer:write")
    assert reader("POST", "blueprints/plan", with_password).json()["error"] == "insufficient_scope"
    assert writer("POST", "blueprints/plan", with_password).status_code == 200


@pytest.mark.parametrize("role", ["editor", "helpdesk", "auditor", "nobody"])
def test_no_door_of_the_api_leads_up(program: Programs, acme: Tenant, role: str) -> None:
    """An administrator cannot escalate through the API.

    Neither a role, a password, a recovery link, a bulk action nor a blueprint gives them more rights.
    """
    mint("admin")
    before = list(Person.objects.order_by("pk").values("username", "role", "password", "is_active"))
    climber = program(role)
    before += list(Person.objects.filter(username=role).values("username", "role", "password", "is_active"))
    text = f"person: {role}\nrole: owner\n"
    for method, path, body in (
        ("PUT", "people/mallory", {"role": "admin"}),
        ("PATCH", f"people/{role}", {"role": "admin"}),
        ("PATCH", "people/admin", {"password": "a new password"}),
        ("POST", "people/admin/recovery-link", None),
        ("POST", f"people/{role}/recovery-link", None),
        ("POST", "people/actions/deactivate", {"keys": ["admin"]}),
        ("POST", "people/actions/sign-out", {"keys": ["admin"]}),
        ("POST", "blueprints/plan", {"text": text}),
        ("POST", "blueprints/apply", {"text": text}),
        ("PUT", "applications/mine", {"scopes": ["foyer:write"]}),
        ("POST", "tenants/", {"name": "mine", "title": "Mine", "domain": "mine.test", "administrator": role}),
    ):
        response = climber(method, path, body, if_match="*")
        # of each one whether it may: of this one it may not
        allowed = role == "helpdesk" and path.endswith("sign-out")
        assert response.status_code == (200 if allowed else 403), (path, response.content)
        assert not allowed or response.json()["results"][0]["outcome"] == "not_allowed"
    after = list(Person.objects.order_by("pk").values("username", "role", "password", "is_active"))
    assert sorted(after, key=str) == sorted({str(each): each for each in before}.values(), key=str)


@pytest.mark.parametrize("domain", ["login.shops.test", "*.eu.shops.test", "*.test"])
def test_no_tenant_takes_the_visitors_of_another(
    program: Programs, acme: Tenant, other: Tenant, domain: str
) -> None:
    """Only the installation's owner assigns domains that could take another tenant's visitors.

    An exact name wins over another tenant's wildcard, and a wildcard catches new names.
    """
    Domain.objects.create(tenant=other, name="*.shops.test", approved=True)
    admin, before = program(), sorted(acme.domains.values_list("name", flat=True))
    wanted = ["acme.test", domain]
    assert admin("PATCH", "branding", {"domains": wanted}).status_code == 403
    for way in ("plan", "apply"):
        text = f"tenant: acme\ndomains: [acme.test, '{domain}']\n"
        assert admin("POST", f"blueprints/{way}", {"text": text}).status_code == 403
    assert sorted(acme.domains.values_list("name", flat=True)) == before
    assert (
        admin(
            "PATCH", "branding", {"domains": ["acme.test", "*.acme.test", "shops.test", "ashops.test"]}
        ).status_code
        == 200
    )


@pytest.mark.parametrize("salary", ["9000", "1000"])
def test_a_flows_tests_show_an_editor_nothing_of_people(program: Programs, acme: Tenant, salary: str) -> None:
    """A role that may not see people learns nothing about them from the tests of a draft.

    That covers what a condition reads of them and which people exist. An auditor sees both.
    """
    Person.objects.filter(username="bob").update(attributes={"salary": salary})
    gate = {"stage": "deny", "id": "gate", "when": 'person.attributes["salary"] == "9000"'}
    steps = [{"stage": "identification"}, {"stage": "password"}, gate, {"stage": "login"}]
    document = {"title": "Probe", "for": "authentication", "default": False, "steps": steps}
    editor, auditor, results = program("editor"), program("auditor"), list[list[bytes]]()
    for name in ("bob", "nobody-here"):
        test = {
            "name": "t",
            "person": name,
            "request": {"signed_in": ["pwd"]},
            "expect": {"gate": "passed over"},
        }
        seen = {"if_match": "*"} if results else {}
        assert editor("PUT", "flows/probe/draft", {**document, "tests": [test]}, **seen).status_code == (
            200 if results else 201
        )
        answers = [
            editor("POST", "flows/probe/lint", {"which": "draft"}),
            editor("POST", "flows/probe/publish", {}),
        ]
        results.append([answer.content for answer in answers])
        assert b"no person can be named here" in results[-1][0]
        assert answers[1].status_code == 409
    assert results[0] == results[1]
    assert (
        b"There is no person nobody-here" in auditor("POST", "flows/probe/lint", {"which": "draft"}).content
    )
