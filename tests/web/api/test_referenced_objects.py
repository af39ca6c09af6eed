"""An object that others reference is not deleted through the API or in the console.

The response lists what references it.
"""

from typing import Any

import pytest

from blueprints.objects import edit
from idp.accounts.models import Person, Role
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door
from tests.web.api.conftest import Programs

STAFF = (
    "Still used by person alice (groups) and application staff-console (groups). Remove these references "
    "first."
)
SCOPE = "Still used by application tv (scopes). Remove these references first."
FLOW = "Still used by application tv (flows). Remove these references first."


@pytest.fixture
def named(acme: Tenant) -> None:
    """A group, a scope and a flow that are in use."""
    with tenant_scope(acme):
        edit.save(
            "application", {"application": "tv", "flows": {"device_code": "connect-a-device"}}, by="alice"
        )


@pytest.mark.parametrize(
    ("path", "why"),
    [("groups/staff", STAFF), ("scopes/acme:read", SCOPE), ("flows/connect-a-device/actions/delete", FLOW)],
)
def test_409_with_who_names_it(program: Programs, named: None, path: str, why: str) -> None:
    """RFC 9110 section 15.5.10: deletion conflicts with the resource's state, which its user can change."""
    admin = program()
    response = admin("POST" if "actions" in path else "DELETE", path)
    assert response.status_code == 409
    assert why in str(response.json())
    assert admin("GET", path.partition("/actions")[0]).status_code == 200


def test_many_at_once_each_for_itself(program: Programs, named: None) -> None:
    """A bulk action deletes the objects that are not referenced."""
    admin = program()
    admin("PUT", "groups/unused", {})
    done = admin("POST", "groups/actions/delete", {"keys": ["staff", "unused"]}).json()["results"]
    assert [(each["outcome"], each["message"]) for each in done] == [("refused", STAFF), ("changed", "")]
    done = admin("POST", "flows/actions/delete", {"keys": ["connect-a-device"]}).json()["results"]
    assert [(each["outcome"], each["message"]) for each in done] == [("refused", FLOW)]


def test_it_is_deleted_once_nothing_references_it(program: Programs, named: None) -> None:
    """The objects can be deleted in the reverse order of their references."""
    admin = program()
    assert admin("PATCH", "applications/tv", {"scopes": ["openid"], "flows": {}}).status_code == 200
    assert admin("DELETE", "scopes/acme:read").status_code == 204
    assert admin("POST", "flows/connect-a-device/actions/delete").json() == {"changed": True}


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [("groups", "staff", STAFF), ("scopes", "acme:read", SCOPE), ("flows", "connect-a-device", FLOW)],
)
def test_the_console_says_it_on_the_page(
    acme: Tenant, named: None, door: Any, name: str, key: str, why: str
) -> None:
    """The console shows the list again with the reason."""
    with tenant_scope(acme):
        Person.objects.filter(username="alice").update(role=Role.ADMIN)
    clerk: Door = door("acme.test")
    clerk.sign_in()
    response = clerk.http.post(f"/console/{name}/do/delete", {"key": key, "sure": "yes"}, follow=True)
    assert f"{key}: {why}" in response.content.decode()
