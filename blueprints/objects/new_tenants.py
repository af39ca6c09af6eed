"""Create complete tenants: name, domain, all shipped flows and a first administrator."""

from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from blueprints.files.apply import apply
from blueprints.objects import edit
from idp.accounts import bulk
from idp.accounts.models import Person, Role
from idp.accounts.people import by_username
from idp.accounts.recovery import create_link
from idp.accounts.roles import OwnPassword
from idp.foundation import addresses
from idp.tenancy import tenants
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

_SHIPPED = "blueprints/default/10-tenant.yaml"


@dataclass(frozen=True)
class TenantSpec:
    """A tenant to create. ``administrator`` is the username of its first administrator."""

    name: str
    title: str
    domain: str
    administrator: str
    email: str = ""


@dataclass(frozen=True)
class CreatedTenant:
    """A tenant that was just created.

    ``token`` opens ``/recover/`` there once, for the first administrator.
    """

    name: str
    token: str = field(repr=False)


@transaction.atomic
def create_tenant(spec: TenantSpec, *, by: str) -> CreatedTenant:
    """Create the tenant completely or not at all, and return it.

    Raise edit.InvalidObject with the errors by the field names of :class:`TenantSpec`.
    """
    if problems := check_spec(spec):
        raise edit.InvalidObject(problems)
    apply([Path(settings.BASE_DIR) / _SHIPPED], name=spec.name, by=by, variables={"tenant": spec.name})
    with tenant_scope(Tenant.objects.get(name=spec.name)):
        try:
            edit.save(
                "tenant",
                {"tenant": spec.name, "title": spec.title, "domains": [spec.domain]},
                by=by,
                rights=("tenants.edit",),
            )
            first = {"person": spec.administrator, "email": spec.email, "role": Role.OWNER.value}
            person = Person.objects.get(username=edit.save("person", first, by=by).name)
            return CreatedTenant(spec.name, create_link(person, by=by))
        except edit.InvalidObject as refused:
            keys = {"domains": "domain", "person": "administrator"}
            raise edit.InvalidObject(
                {keys.get(key, key): texts for key, texts in refused.errors.items()}
            ) from None


def create_recovery_token(name: str, username: str, *, by: Person) -> str | None:
    """Return a new one-time token for an administrator of this tenant; None if there is no such person.

    It replaces a token that was lost. Raise OwnPassword if ``by`` is that administrator.
    """
    tenant = tenants.by_name(name)
    if tenant is None:
        return None
    with tenant_scope(tenant):
        person = by_username(username)
        if person is None or not person.is_active or not person.administers:
            return None
        if person.pk == by.pk:
            raise OwnPassword
        return create_link(person, by=by.username)


def check_spec(spec: TenantSpec) -> dict[str, list[str]]:
    """Return every error, by the field names of :class:`TenantSpec`."""
    errors: dict[str, list[str]] = {}
    try:
        tenants.validate_tenant(Tenant(name=spec.name, title=spec.title))
    except ValidationError as error:
        errors |= error.message_dict
    try:
        edit.validate("tenant", {"tenant": "any", "title": spec.title})
    except edit.InvalidObject as refused:
        errors |= refused.errors
    try:
        edit.validate("person", {"person": spec.administrator})
    except edit.InvalidObject as refused:
        errors["administrator"] = refused.errors["person"]
    try:
        bulk.validate_person(Person(username="any", email=spec.email))
    except ValidationError as error:
        errors |= error.message_dict
    if tenants.by_name(spec.name):
        errors["name"] = ["This name is already taken."]
    try:
        tenants.check_domains(spec.name, [addresses.parse_domain(spec.domain)], show_owner=True)
    except ValueError as error:
        errors["domain"] = [str(error)]
    except ValidationError as error:
        errors["domain"] = error.message_dict["domains"]
    return errors
