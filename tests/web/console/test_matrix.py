"""The whole matrix, role by page and role by operation of the API; other tenants' objects do not exist."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.utils import timezone

from blueprints.files.apply import apply
from idp.accounts.models import Person, Role
from idp.accounts.roles import MATRIX, roles_by_operation
from idp.oauth import tokens
from idp.oauth.models import Application
from idp.tenancy.models import DEFAULT, Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.web.console.pages import at, entered, inhabit, of_the_installation
from web.api.app import api
from web.console.frame import ConsolePage
from web.console.urls import PAGES

ROLES = [role.value for role in Role]
NEIGHBOURS = """
tenant: other
---
group: neighbours
---
person: auditor
groups: [neighbours]
---
application: their-tv
title: Their TV
client_secret: only the neighbour's
type: confidential
---
flow: their-flow
title: Their flow
for: part
steps: [{stage: password}]
"""
HOSTS = {"acme.test": "acme", "localhost": DEFAULT}
METHODS = ("GET", "POST", "PUT")
THEIRS = {
    "person": "auditor",
    "group": "neighbours",
    "application": "their-tv",
    "secret": "their-tv",
    "flow": "their-flow",
}


@pytest.fixture
def neighbourly(other: Tenant, door: Doors, write_blueprint: Callable[..., Path]) -> None:
    """The other tenant has something of every kind too, under names of its own."""
    apply([write_blueprint(NEIGHBOURS)])
    with tenant_scope(other):
        inhabit(door("other.test"))


@pytest.fixture
def hollow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every view by one that returns 204, so that only the shared access check is left."""
    for page in PAGES:
        monkeypatch.setitem(page.__dict__, "view", lambda request, **given: HttpResponse(status=204))


def may(role: str, operation: str, tenant: str) -> bool:
    """Return the matrix's value, read here from the table and not from the code under test."""
    head, *rows = [line.split() for line in MATRIX.strip().splitlines()]
    marks = next(dict(zip(head, row[1:], strict=True)) for row in rows if row[0] == operation)
    only_the_owner = [each for each in head if marks[each] == "x"] == [Role.OWNER]
    return marks.get(role) == "x" and (tenant == DEFAULT or not only_the_owner)


def expected(page: ConsolePage, method: str, role: str, tenant: str) -> int:
    """Return the status that a person of this role gets at a hollow page."""
    operation = {"GET": page.view_operation, "HEAD": page.view_operation, "POST": page.post_operation}.get(
        method, ""
    )
    if not operation:
        return 405
    return 204 if may(role, operation, tenant) else 403


@pytest.mark.parametrize("host", HOSTS)
def test_every_page_by_role_and_method(
    host: str, inhabited: None, hollow: None, tenants: dict[str, Tenant]
) -> None:
    """Permitted roles are let in, and all others get a 403.

    The owner's operations exist on the default tenant's host only.
    """
    tenant, addresses = Tenant.objects.get(name=HOSTS[host]), []
    # acme has every kind of object; a hollow page does not read it
    with tenant_scope(tenants["acme"]):
        addresses = [
            (page, at(page)) for page in PAGES if tenant.name != DEFAULT or of_the_installation(page)
        ]
    assert len(addresses) > (3 if tenant.name == DEFAULT else 50)
    for role in [*ROLES, ""]:
        door, wrong = entered(host, tenant, role), []
        for page, address in addresses:
            for method in METHODS:
                status = door.http.generic(method, address).status_code
                if status != expected(page, method, role, tenant.name):
                    wrong.append((method, address, status))
        assert wrong == [], role


def test_anonymous_visitors_are_led_to_sign_in_and_back(acme: Tenant, inhabited: None) -> None:
    """Without a session every page redirects to the tenant's sign-in with itself as the way back.

    A POST is refused and changes nothing.
    """
    stranger = Door("acme.test")
    for page in PAGES:
        address = at(page)
        if page.view_operation:
            response = stranger.get(address)
            assert response.status_code == 303, address
            assert response["Location"].startswith("/sign-in?next=/console/"), address
        if page.post_operation:
            assert stranger.post(address, {}).status_code == 401, address


def test_a_real_page_opens_for_every_permitted_role(acme: Tenant, inhabited: None) -> None:
    """Each role opens every page that it may see, and no page requires a permission that the role lacks."""
    for role in ROLES:
        door, wrong = entered("acme.test", acme, role), {}
        for page in PAGES:
            if page.view_operation and may(role, page.view_operation, "acme"):
                address = at(page)
                response = door.get(address)
                if response.status_code != 200:
                    wrong[address] = response.status_code
        assert wrong == {}, role


def test_what_one_may_do_is_never_forbidden(acme: Tenant, inhabited: None) -> None:
    """An empty form, posted to every page by every permitted role, is never a 403 and never a 500.

    It may be refused because of its fields.
    """
    for role in ROLES:
        for page in PAGES:
            if page.post_operation and may(role, page.post_operation, "acme"):
                door = entered("acme.test", acme, role)
                address = at(page)
                response = door.post(address, {})
                assert response.status_code in (200, 302, 303, 400, 404, 409, 422), (
                    f"{role} {address}: {response.status_code}"
                )


def test_what_is_another_tenants_does_not_exist(
    acme: Tenant, other: Tenant, inhabited: None, neighbourly: None
) -> None:
    """An address with another tenant's object is a 404 for every method and for the owner too.

    The object stays unchanged.
    """
    owner, wrong = entered("acme.test", acme, Role.OWNER), {}
    for page in PAGES:
        if "<" not in page.path or page.path.startswith(
            ("tenants/", "mails/", "preview/", "api/", "applications/new/")
        ):
            continue  # without an object, about tenants, or about what every tenant has
        with tenant_scope(other):
            address = at(page, THEIRS)
        methods = ["GET"] if page.view_operation else []
        if page.post_operation or not methods:
            methods.append("POST")
        for method in methods:
            status = owner.http.generic(method, address).status_code
            if status != 404:
                wrong[f"{method} {address}"] = status
    assert wrong == {}
    with tenant_scope(other):
        assert Person.objects.filter(username="auditor", is_active=True).exists()
        assert Application.objects.filter(name="their-tv", is_active=True).exists()


def operations() -> Iterator[tuple[str, str, str]]:
    """Yield method, path and permission of every operation of the API that needs a person.

    Parameters name objects that do not exist.
    """
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for token in operation.auth_callbacks or []:
                    if hasattr(token, "operation"):
                        address = re.sub(r"\{\w+:", "{", f"/api{prefix}{path}")
                        yield operation.methods[0], address, token.operation


def bearer(door: Door, tenant: Tenant, role: str, scope: str) -> dict[str, str]:
    """Return the header of a token with this scope that alice has got in this role."""
    with tenant_scope(tenant):
        person = Person.objects.get(username="alice")
        Person.objects.filter(pk=person.pk).update(role=role)
        application = Application.objects.get(name="tv")
        application.scopes = sorted({*application.scopes, scope})
        application.administers = True
        application.save()
        found: Any = tokens.Entitlement(
            application, person, (scope,), door.issuer, ("pwd",), person.created_at, None
        )
        token = tokens.issue(found, tokens.create_family(found), timezone.now()).access_token
    return {"Authorization": f"Bearer {token}"}


def test_every_operation_of_the_api_by_role(acme: Tenant, door: Doors) -> None:
    """A token with the write scope gets a 403 exactly where the same table says so.

    A token that may only read writes nothing.
    """
    browser, found = door(), list(operations())
    for role in [*ROLES, ""]:
        token, wrong = bearer(browser, acme, role, "foyer:write"), {}
        for method, path, operation in found:
            status = _called(browser, method, path, token)
            if (status == 403) == may(role, operation, "acme") or status >= 500:
                wrong[f"{method} {path}"] = status
        assert wrong == {}, role
    assert len(found) > 50
    assert {operation for _, _, operation in found} <= roles_by_operation().keys()


def test_no_operation_of_the_api_without_a_token(acme: Tenant, door: Doors) -> None:
    """A missing token, a malformed one and another tenant's are a 401."""
    browser = door()
    foreign = bearer(door("other.test"), Tenant.objects.get(name="other"), Role.OWNER, "foyer:write")
    for method, path, _operation in operations():
        for header in ({}, {"Authorization": "Bearer nonsense"}, foreign):
            assert _called(browser, method, path, header) == 401, f"{method} {path}"


def _absent(parameter: str) -> str:
    """Return a value for a parameter of a path that no object has."""
    return "404" if "number" in parameter or "pk" in parameter else "not-there"


def _called(door: Door, method: str, path: str, header: dict[str, str]) -> int:
    """Return the status of a call about an object that does not exist."""
    parts = [_absent(part) if part.startswith("{") else part for part in path.split("/")]
    body = b"{}" if method in ("POST", "PUT", "PATCH") else b""
    return int(
        door.http.generic(
            method, "/".join(parts), body, content_type="application/json", headers=header
        ).status_code
    )
