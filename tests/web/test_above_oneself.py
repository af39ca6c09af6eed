"""No one changes a person who has more rights, at any interface.

The spelling of the name and errors in the document do not matter.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from blueprints.objects import edit
from idp.accounts.models import Person, RecoveryLink, Role
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.api.conftest import BOTH, Program, mint
from tests.web.console.signed_in import signed_in

SPELLINGS = ("bob", " BOB ", "\uff42\uff4f\uff42", "b\u200bo\u00adb", "bob\u3000")
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"active": False},
    {"role": ""},
    {"password": "several words in a row"},
    {"email": "taken@acme.test", "email_verified": True},
    {"groups": []},
    {"name": "x", "role": "king"},
    {"active": False, "no_such_key": 1},
    {"active": False, "role": None},
    {},
)
BELOW = [role.value for role in Role if role != Role.OWNER]


@pytest.fixture
def owner(tenants: dict[str, Tenant]) -> Callable[[], Any]:
    """Return everything stored about bob, who owns acme."""
    with tenant_scope(tenants["acme"]):
        edit.save("person", {"person": "bob", "role": "owner", "email": "bob@acme.test"}, by="test")

    def kept() -> Any:
        with tenant_scope(tenants["acme"]):
            return (
                edit.load("person", "bob"),
                Person.objects.get(username="bob").password,
                RecoveryLink.objects.count(),
            )

    return kept


@pytest.mark.parametrize("role", BELOW)
def test_not_by_a_program(role: str, owner: Callable[[], Any], tenants: dict[str, Tenant]) -> None:
    """PUT, PATCH, DELETE, every single and bulk action, and a blueprint are refused."""
    with tenant_scope(tenants["acme"]):
        calls = Program(mint(role, BOTH, "acme.test"), "acme.test")
    before = owner()
    for name in SPELLINGS:
        for document in DOCUMENTS:
            for method, said in (("PUT", document), ("PATCH", {"person": name, **document})):
                answer = calls(method, f"people/{quote(name, safe='')}", said, if_match="*")
                assert answer.status_code in (400, 403), (method, name, said, answer.content)
        assert calls("DELETE", f"people/{quote(name, safe='')}", None, if_match="*").status_code in (
            400,
            403,
            404,
        )
        for action in ("deactivate", "delete", "sign-out", "sign-out-devices"):
            calls("POST", f"people/{quote(name, safe='')}/actions/{action}", {})
            calls("POST", f"people/actions/{action}", {"keys": [name]})
        for text in (
            f"person: {json.dumps(name)}\nactive: false\n",
            f"tenant: acme\n---\nperson: {json.dumps(name)}\nstate: absent\n",
        ):
            assert calls("POST", "blueprints/apply", {"text": text}).status_code in (400, 403)
    assert owner() == before


@pytest.mark.parametrize("role", BELOW)
def test_not_at_the_console(role: str, owner: Callable[[], Any], door: Doors) -> None:
    """The forms of a person, a new person, the role and recovery links, and the actions are refused."""
    clerk, before = signed_in(door, role), owner()
    for name in SPELLINGS:
        at = quote(name, safe="")
        for document in DOCUMENTS:
            form = {
                key: "" if value in (None, False, []) else str(value) for key, value in document.items()
            } | {"person": name}
            for address in (f"/console/people/one/{at}", "/console/people/add", f"/console/people/role/{at}"):
                answer = clerk.http.post(address, {**form, "etag": before[0].digest})
                assert answer.status_code in (400, 403, 404, 409), (address, form, answer.status_code)
        for address in (f"/console/people/{what}/{at}" for what in ("link", "mail", "reset")):
            assert clerk.http.post(address, {"sure": "1"}).status_code in (403, 404)
        for action in ("deactivate", "delete", "sign-out", "sign-out-devices"):
            clerk.http.post(f"/console/people/do/{action}", {"key": name, "sure": "1"})
    assert owner() == before
