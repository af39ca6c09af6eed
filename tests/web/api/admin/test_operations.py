"""Who may call what: every operation checks the token, its scope and its person's role on every request."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import time_machine

from idp.accounts.models import Person, Role
from idp.accounts.roles import roles_by_operation
from idp.oauth.models import Application, TokenFamily
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.oauth import claims_of, tokens_of
from tests.web.api.conftest import BOTH, Program, Programs
from web.api.admin.operations import AccessToken
from web.api.app import api, document

ROLES = [role.value for role in Role if role.value]


@cache
def guarded() -> list[tuple[str, str, str, bool]]:
    """Return method, path, matrix operation and whether it writes, of every operation with a token."""
    found = []
    for bound in api._get_bound_routers():
        for path, view in bound.path_operations.items():
            for operation in view.operations:
                token = next(
                    (each for each in operation.auth_callbacks if isinstance(each, AccessToken)), None
                )
                if token:
                    found.append(
                        (
                            operation.methods[0],
                            f"{bound.prefix}{path}".lstrip("/"),
                            token.operation,
                            len(token.scopes) == 1,
                        )
                    )
    return found


def addresses() -> Iterator[tuple[str, str, str, bool]]:
    """Yield the same with a value for each path parameter; who may call it does not depend on the value."""
    for method, path, needs, writes in guarded():
        filled = (
            path.replace("{any:key}", "nothing")
            .replace("{slug:name}", "nothing")
            .replace("{slug:run}", "nothing")
        )
        yield method, filled.replace("{int:number}", "1"), needs, writes


def refused(response: Any) -> str:
    """Return the error of a refusal, or "" where the operation was allowed."""
    assert response.status_code < 500, response.content
    return str(response.json()["error"]) if response.status_code in (401, 403) else ""


def test_every_operation_but_the_public_ones_wants_a_token(program: Programs) -> None:
    """Every documented operation outside of runs is a 401 without a token, and says how to send one."""
    described = {
        (method.upper(), path)
        for path, methods in document()["paths"].items()
        for method in methods
        if "/api/runs/" not in path
    }
    assert len(described) == len(guarded()) > 80
    for method, path, _, _ in addresses():
        response = Program("")(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="api"'), (
            method,
            path,
        )


def test_what_is_no_token(
    program: Programs, tenants: dict[str, Tenant], clock: time_machine.Traveller
) -> None:
    """RFC 6750 section 3.1: an invalid token is a 401 with invalid_token.

    This holds for a malformed token, another tenant's, an expired or revoked one, and one of an inactive
    person.
    """
    good = program("auditor")
    assert good.get("me")["person"] == "auditor"
    for token in ("x", "a.b.c", good.token + "x", program("auditor", host="other.test").token):
        response = Program(token)("GET", "me")
        assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in response["WWW-Authenticate"]
    with tenant_scope(tenants["acme"]):
        clock.shift(1)
        TokenFamily.objects.filter(person__username="auditor").update(revoked_at="2026-01-01T00:00:00Z")
        assert good("GET", "me").status_code == 401
        inactive = program("helpdesk")
        Person.objects.filter(username="helpdesk").update(is_active=False)
        assert inactive("GET", "me").status_code == 401
        expired = program("admin")
        clock.shift(601)
        assert expired("GET", "me").status_code == 401


def test_another_method(program: Programs) -> None:
    """Another method is a 405 in the shape of all errors with Allow, before any authentication."""
    for _, path, _, _ in addresses():
        response = Program("")("BREW", path)
        assert (response.status_code, response.json()["error"]) == (405, "invalid_request"), path
        assert {method for method, other, _, _ in addresses() if other == path} <= set(
            response["Allow"].split(", ")
        )


def test_a_scope_is_needed(program: Programs) -> None:
    """RFC 6750 section 3.1: foyer:read allows reads, foyer:write allows writes, anything else is a 403.

    The role does not matter without the scope.
    """
    reads, nothing = program("admin", "openid foyer:read"), program("admin", "openid profile")
    writers = [(method, path) for method, path, _, writes in addresses() if writes]
    assert len(writers) > 30
    for method, path in writers:
        response = reads(method, path, {} if method != "DELETE" else None)
        assert refused(response) == "insufficient_scope", (method, path)
        assert 'error="insufficient_scope"' in response["WWW-Authenticate"]
    assert reads.get("me")["role"] == "admin"
    assert refused(nothing("GET", "me")) == "insufficient_scope"
    assert program("admin", "openid foyer:write").get("me")["role"] == "admin", (
        "the write scope includes reading"
    )


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_the_matrix(program: Programs, role: str) -> None:
    """Every operation allows exactly the roles of the matrix, on a host other than the default tenant's."""
    acting = program(role)
    for method, path, needs, _ in addresses():
        if path == "keys/rotate" and role in roles_by_operation()[needs]:
            # it succeeds without an object, and revokes the key that signs the other tokens
            continue
        response = acting(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        may = role in roles_by_operation()[needs] and not needs.startswith("tenants.")
        assert (refused(response) == "") is may, (role, method, path, response.content)
        assert may or response.json()["error"] == "not_allowed"


def test_a_service_account_is_no_person(acme: Tenant, door: Doors, program: Programs) -> None:
    """B18: an application that acts for itself cannot request these scopes, and its token grants no role."""
    application = Application.objects.get(name="kiosk")
    application.grants, application.scopes = ["client_credentials"], ["foyer:read", "acme:read"]
    application.save()
    form = {
        "grant_type": "client_credentials",
        "client_id": "kiosk",
        "client_secret": "kiosk secret/with+odd:characters",
    }
    asked = door().post("/application/o/token/", {**form, "scope": "foyer:read"})
    assert (asked.status_code, asked.json()["error"]) == (400, "invalid_scope")
    token = tokens_of(door().post("/application/o/token/", form))["access_token"]
    assert refused(Program(token)("GET", "me")) == "insufficient_scope"


def test_a_device_gets_a_token_for_it(acme: Tenant, door: Doors, program: Programs) -> None:
    """An application with the scopes gets a token by the device grant, and the token works at the API.

    The person approves the scopes in plain words.
    """
    program("admin")  # creates the application
    Application.objects.filter(name="admin-cli").update(
        grants=["urn:ietf:params:oauth:grant-type:device_code"]
    )
    Person.objects.filter(username="alice").update(role="auditor")
    device = door()
    started = device.start("admin-cli", scope=BOTH)
    seen = door().sign_in().submit(user_code=started.user_code)
    assert "See everything you can see as an administrator" in seen.text
    seen.submit(decision="approve")
    token = tokens_of(device.poll(started))["access_token"]
    assert claims_of(token)["scope"] == BOTH
    assert Program(token).get("me") == Program(token).get("me") | {"person": "alice", "role": "auditor"}
    assert refused(Program(token)("PATCH", "people/bob", {"name": "Bob"})) == "not_allowed"


def test_no_cookie_opens_it(door: Doors, acme: Tenant) -> None:
    """A signed-in browser is not authenticated here, so a form of another site has no effect."""
    Person.objects.filter(username="alice").update(role="admin")
    browser = door()
    browser.sign_in()
    assert browser.get("/api/me").status_code == 401
    assert browser.http.post("/api/keys/rotate", "{}", content_type="text/plain").status_code == 401
    assert browser.http.post("/api/keys/rotate", "{}", content_type="application/json").status_code == 401


def test_the_document_names_right_and_scope() -> None:
    """Every operation in the document states the permission and the scope that it requires."""
    for path, methods in json.loads(json.dumps(document()))["paths"].items():
        for operation in methods.values():
            if "/api/runs/" not in path:
                assert "Requires the permission `" in operation["description"]
