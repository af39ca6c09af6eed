"""The option ``--tenant NAME`` of commands and the look-up of its tenant."""

from contextlib import AbstractContextManager
from typing import Any

from django.core.management.base import CommandError

from idp.foundation.arguments import list_available
from idp.tenancy import tenants
from idp.tenancy.models import DEFAULT, Tenant
from idp.tenancy.scope import tenant_scope


def add_tenant(parser: Any) -> None:
    """Add the option to the parser."""
    parser.add_argument("--tenant", default=DEFAULT, metavar="NAME", help="the tenant (default: %(default)s)")


def scope_from_options(options: Any) -> AbstractContextManager[Tenant]:
    """Return the scope of the named tenant; raise CommandError with the existing names."""
    name = options["tenant"]
    tenant = tenants.by_name(name)
    if tenant is None:
        none = " There is none: run manage.py setup."
        raise CommandError(
            f"There is no tenant {name}.{list_available(Tenant.objects.values_list('name', flat=True), none)}"
        )
    return tenant_scope(tenant)
