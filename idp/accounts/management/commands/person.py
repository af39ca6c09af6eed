"""``manage.py person recovery-link NAME``: lets somebody back in who is locked out."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp.accounts.people import by_username
from idp.accounts.recovery import make_link
from idp.tenancy import tenants
from idp.tenancy.models import DEFAULT
from idp.tenancy.scope import tenant_scope


class Command(BaseCommand):
    """Commands about one person."""

    help = "recovery-link NAME: prints a one-time link, good for 15 minutes, to a page that sets a new password."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        link = actions.add_parser("recovery-link", help="print a one-time link that sets a new password")
        link.add_argument("name", metavar="NAME")
        link.add_argument("--tenant", default=DEFAULT)
        link.add_argument("--url", default="", help="scheme and host of the tenant, if not its first domain")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenants.by_name(options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']}.")
        with tenant_scope(tenant):
            person = by_username(options["name"])
            if person is None or not person.is_active:
                raise CommandError(f"There is no active person {options['name']} in tenant {tenant.name}.")
            token = make_link(person, by="command line")
        self.stdout.write(f"{options['url'].rstrip('/') or _address(tenant)}/recover/{token}")


def _address(tenant: Any) -> str:
    """The tenant's first exact domain over TLS; the default tenant without one is on this machine."""
    exact = tenant.domains.exclude(name__startswith="*").order_by("name").first()
    return f"https://{exact.name}" if exact else f"http://localhost:{settings.PORT}"
