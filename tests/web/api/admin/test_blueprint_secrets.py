"""Secrets of blueprints through the API: they can be written and never be read."""

import json
from typing import Any

import pytest

from blueprints.files.secrets import value_of
from blueprints.models import Secret
from idp.events.models import Event
from idp.foundation.sealing import digest
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.web.api.conftest import Programs

VALUE = "s3cret-value-of-the-shop"
TEXT = "application: shop\ntitle: Shop\ntype: confidential\nclient_secret: !secret shop.client\n"


def test_entered_used_and_forgotten(program: Programs, acme: Tenant) -> None:
    """A blueprint that names an entered secret can be applied until the secret is deleted.

    Each step is an event of this person, and no response contains the value.
    """
    admin = program()
    assert admin("POST", "blueprints/plan", {"text": TEXT}).json()["missing"] == [
        {"tenant": "acme", "name": "shop.client"}
    ]
    assert admin("POST", "blueprints/apply", {"text": TEXT}).status_code == 400
    entered = admin("PUT", "blueprint-secrets/shop.client", {"value": VALUE})
    assert (entered.status_code, entered.content) == (204, b"")
    assert admin("POST", "blueprints/apply", {"text": TEXT}).status_code == 200
    assert Application.objects.get(name="shop").secret_hash == digest(VALUE)
    assert admin("PUT", "blueprint-secrets/shop.client", {"value": "another value of it"}).status_code == 204
    assert (value_of("shop.client", shared=False), Secret.objects.get().set_by) == (
        "another value of it",
        "admin",
    )
    assert admin.get("blueprint-secrets/") == {"names": ["shop.client"]}
    assert admin("GET", "blueprint-secrets/shop.client").status_code == 405
    paths = (
        "blueprint-secrets/",
        "blueprints/export",
        "blueprints/drift",
        "applications/shop",
        "owned/",
        "events/?size=200",
    )
    assert not [
        secret
        for secret in (VALUE, "another value of it")
        if secret in json.dumps([admin.get(path) for path in paths])
    ]
    assert admin("DELETE", "blueprint-secrets/shop.client").status_code == 204
    assert admin("DELETE", "blueprint-secrets/shop.client").status_code == 404
    assert admin.get("blueprint-secrets/") == {"names": []}
    recorded = (
        Event.objects.filter(kind__startswith="secret.").order_by("pk").values_list("kind", "actor", "target")
    )
    assert list(recorded) == [
        (kind, "admin", "shop.client") for kind in ("secret.set", "secret.set", "secret.removed")
    ]


@pytest.mark.parametrize(
    ("name", "body", "named"),
    [
        ("1st", {"value": VALUE}, "name"),
        ("a%20b", {"value": VALUE}, "name"),
        ("a/b", {"value": VALUE}, "name"),
        ("a%0A", {"value": VALUE}, "name"),
        ("x" * 101, {"value": VALUE}, "name"),
        ("shop", {"value": "ü" * 32_768 + "x"}, "value"),
        ("shop", {"value": ""}, ""),
        ("shop", {"value": [VALUE]}, ""),
        ("shop", {"value": 5}, ""),
        ("shop", {"value": VALUE, "name": VALUE}, ""),
        ("shop", {}, ""),
        ("shop", f'{{"value": "{VALUE}"', ""),
    ],
)
def test_what_is_no_secret(program: Programs, acme: Tenant, name: str, body: Any, named: str) -> None:
    """A malformed secret is a 400 by key, nothing is stored, and the response repeats no submitted value."""
    response = program()("PUT", f"blueprint-secrets/{name}", body)
    assert response.status_code == (413 if len(str(body)) > 32_768 else 400), response.content
    assert response.status_code == 413 or set(response.json().get("errors", {})) == (
        {named} if named else set()
    )
    assert VALUE not in response.content.decode()
    assert not Secret.objects.exists()


def test_roles(program: Programs, acme: Tenant) -> None:
    """Roles that may apply blueprints enter secrets, an auditor reads the names, and other roles see none."""
    program()("PUT", "blueprint-secrets/shop", {"value": VALUE})
    for role, sees in (("auditor", 200), ("editor", 403), ("helpdesk", 403), ("nobody", 403)):
        acting = program(role)
        assert acting("GET", "blueprint-secrets/").status_code == sees
        assert acting("PUT", "blueprint-secrets/shop", {"value": "mine"}).status_code == 403
        assert acting("DELETE", "blueprint-secrets/shop").status_code == 403
    reader = program("admin", "openid foyer:read")
    assert reader("PUT", "blueprint-secrets/shop", {"value": "mine"}).json()["error"] == "insufficient_scope"
    assert value_of("shop", shared=False) == VALUE


def test_another_tenants_are_not_there(program: Programs, acme: Tenant, other: Tenant) -> None:
    """A secret of another tenant cannot be seen, overwritten by one of the same name, or deleted."""
    program(host="other.test")("PUT", "blueprint-secrets/shop", {"value": VALUE})
    admin = program()
    assert admin.get("blueprint-secrets/") == {"names": []}
    assert admin("DELETE", "blueprint-secrets/shop").status_code == 404
    assert admin("PUT", "blueprint-secrets/shop", {"value": "ours"}).status_code == 204
    assert value_of("shop", shared=False) == "ours"
    with tenant_scope(other):
        assert value_of("shop", shared=False) == VALUE
