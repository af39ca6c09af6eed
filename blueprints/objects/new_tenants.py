"""Makes a tenant complete: its name, its domain, every way in that ships, and somebody who looks after it."""

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
    """A tenant as it shall become. ``administrator``: the username of its first one."""

    name: str
    title: str
    domain: str
    administrator: str
    email: str = ""


@dataclass(frozen=True)
class Made:
    """A tenant that has just been made; ``token`` opens ``/recover/`` there once, for its first
    administrator.
    """

    name: str
    token: str = field(repr=False)


@transaction.atomic
def make(wanted: Wanted, *, by: str) -> Made:
    """Makes the tenant, or nothing; raises edit.Refused with what is wrong by the names of
    :class:`Wanted`.
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
    """A one-time token for an administrator of this tenant who has lost the first one; None where there is no
    such.

    Raises OwnPassword where ``by`` would let themselves in.
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
    """Return all that is wrong, by the names of :class:`Wanted`."""
    found: dict[str, list[str]] = {}
    try:
        tenants.checked(Tenant(name=wanted.name, title=wanted.title))
    except ValidationError as error:
        found |= error.message_dict
    try:
        edit.checked("tenant", {"tenant": "any", "title": wanted.title})
    except edit.Refused as refused:
        found |= refused.errors
    try:
        edit.checked("person", {"person": wanted.administrator})
    except edit.Refused as refused:
        found["administrator"] = refused.errors["person"]
    try:
        bulk.checked(Person(username="any", email=wanted.email))
    except ValidationError as error:
        found |= error.message_dict
    if tenants.by_name(wanted.name):
        found["name"] = ["This name is already taken."]
    try:
        tenants.check_domains(wanted.name, [addresses.domain(wanted.domain)], tells=True)
    except ValueError as error:
        found["domain"] = [str(error)]
    except ValidationError as error:
        found["domain"] = error.message_dict["domains"]
    return found
