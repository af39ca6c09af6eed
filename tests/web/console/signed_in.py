"""Doors at a console, signed in with a role."""

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from blueprints.files.apply import apply
from idp.accounts.credentials import hash_password
from idp.accounts.models import Person
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors


def signed_in(door: Doors, role: str, host: str = "acme.test") -> Door:
    """Return a door at this host, signed in as alice with this role."""
    with tenant_scope(Tenant.objects.get(name="default" if host == "localhost" else host.partition(".")[0])):
        Person.objects.filter(username="alice").update(role=role)
    opened = door(host)
    opened.sign_in()
    return opened


def text(opened: Door, path: str, status: int = 200) -> str:
    """Return the text of a page."""
    response = opened.http.get(path)
    assert response.status_code == status, response.content.decode()[:1500]
    return str(response.content.decode())


def posted(opened: Door, path: str, form: Mapping[str, object], status: int = 303) -> str:
    """Return the page that a form returns, or the address to which it redirects."""
    response = opened.http.post(path, form)
    assert response.status_code == status, response.content.decode()[:1500]
    return str(response["Location"] if status == 303 else response.content.decode())


def followed(opened: Door, path: str, form: Mapping[str, object] | None = None) -> str:
    """Return the page to which a form redirects."""
    return text(opened, posted(opened, path, form or {}))


def installed() -> Tenant:
    """Create the default tenant as a new installation has it, with alice as its only person."""
    apply([Path(settings.BASE_DIR) / "blueprints" / "default" / "10-tenant.yaml"])
    tenant = Tenant.objects.get(name="default")
    with tenant_scope(tenant):
        Person.objects.create(
            username="alice", name="Alice", password=hash_password("alice-password-1"), role="owner"
        )
    return tenant
