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
from idp.accounts.recovery import make_link
from idp.accounts.roles import OwnPassword
from idp.foundation import addresses
from idp.tenancy import tenants
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

_SHIPPED = "blueprints/default/10-tenant.yaml"


@dataclass(frozen=True)
class Wanted:
    """A tenant to create. ``administrator`` is the username of its first administrator."""

    name: str
    title: str
    domain: str
    administrator: str
    email: str = ""


@dataclass(frozen=True)
class Made:
    """A tenant that was just created.

    ``token`` opens ``/recover/`` there once, for the first administrator.
    """

    name: str
    token: str = field(repr=False)


@transaction.atomic
def make(wanted: Wanted, *, by: str) -> Made:
    """Create the tenant completely or not at all, and return it.

    Raise edit.Refused with the errors by the field names of :class:`Wanted`.
    """
    if problems := problems_of(wanted):
        raise edit.Refused(problems)
    apply([Path(settings.BASE_DIR) / _SHIPPED], name=wanted.name, by=by, variables={"tenant": wanted.name})
    with tenant_scope(Tenant.objects.get(name=wanted.name)):
        try:
            edit.save(
                "tenant",
                {"tenant": wanted.name, "title": wanted.title, "domains": [wanted.domain]},
                by=by,
                rights=("tenants.edit",),
            )
            first = {"person": wanted.administrator, "email": wanted.email, "role": Role.OWNER.value}
            person = Person.objects.get(username=edit.save("person", first, by=by).name)
            return Made(wanted.name, make_link(person, by=by))
        except edit.Refused as refused:
            keys = {"domains": "domain", "person": "administrator"}
            raise edit.Refused({keys.get(key, key): texts for key, texts in refused.errors.items()}) from None


def link_for(name: str, username: str, *, by: Person) -> str | None:
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
        return make_link(person, by=by.username)


def problems_of(wanted: Wanted) -> dict[str, list[str]]:
    """Return every error, by the field names of :class:`Wanted`."""
    errors: dict[str, list[str]] = {}
    try:
        tenants.checked(Tenant(name=wanted.name, title=wanted.title))
    except ValidationError as error:
        errors |= error.message_dict
    try:
        edit.checked("tenant", {"tenant": "any", "title": wanted.title})
    except edit.Refused as refused:
        errors |= refused.errors
    try:
        edit.checked("person", {"person": wanted.administrator})
    except edit.Refused as refused:
        errors["administrator"] = refused.errors["person"]
    try:
        bulk.checked(Person(username="any", email=wanted.email))
    except ValidationError as error:
        errors |= error.message_dict
    if tenants.by_name(wanted.name):
        errors["name"] = ["This name is already taken."]
    try:
        tenants.check_domains(wanted.name, [addresses.domain(wanted.domain)], tells=True)
    except ValueError as error:
        errors["domain"] = [str(error)]
    except ValidationError as error:
        errors["domain"] = error.message_dict["domains"]
    return errors
