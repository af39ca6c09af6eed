"""``manage.py secret …``: secrets that blueprints refer to by name, stored encrypted and never shown."""

import sys
from contextlib import AbstractContextManager
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from blueprints.files import secrets
from blueprints.objects import edit
from idp.accounts.roles import EVERYTHING
from idp.foundation.text import printable_line
from idp.tenancy import tenants
from idp.tenancy.argument import add_tenant, scope_from_options
from idp.tenancy.models import Tenant
from idp.tenancy.scope import current_tenant, tenant_scope

_BY = "command line"


class Command(BaseCommand):
    """Sets, lists and removes secrets."""

    help = (
        "Manage the secrets that blueprints reference as !secret NAME. Values are read from "
        "standard input or prompted for, and never printed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        saved = actions.add_parser("set", help="save a secret, replacing an earlier value")
        removed = actions.add_parser("remove", help="delete a secret")
        listed = actions.add_parser("list", help="list the names of saved secrets")
        for action in (saved, removed, listed):
            add_tenant(action)
        saved.add_argument(
            "--new-tenant",
            action="store_true",
            help="create the tenant if it doesn't exist, empty",
        )
        for action in (saved, removed):
            action.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        with _scope(options):
            getattr(self, f"_{options['action']}")(options.get("name", ""))

    def _set(self, name: str) -> None:
        try:
            secrets.check(name)
            value = (
                getpass("Value: ")
                if sys.stdin.isatty()
                else sys.stdin.read().removesuffix("\n").removesuffix("\r")
            )
            secrets.check(name, value)
        except (secrets.BadSecret, UnicodeDecodeError) as error:
            raise CommandError(
                str(error) if isinstance(error, secrets.BadSecret) else "The value isn't UTF-8."
            ) from None
        with transaction.atomic():
            self._save(name, value)
        self.stdout.write(f"Saved {name}.")

    def _save(self, name: str, value: str) -> None:
        """Save the secret, and create the tenant if it does not exist yet."""
        tenant = current_tenant()
        try:
            if tenants.by_name(tenant.name) is None:
                edit.save("tenant", {"tenant": tenant.name}, by=_BY, new=True, rights=EVERYTHING)
        except edit.InvalidObject as refused:
            raise CommandError(str(refused)) from None
        with tenant_scope(tenants.by_name(tenant.name) or tenant):
            secrets.save(name, value, by=_BY)

    def _list(self, name: str) -> None:
        for each in secrets.names():
            self.stdout.write(printable_line(each))

    def _remove(self, name: str) -> None:
        if not secrets.remove(name, by=_BY):
            raise CommandError(f"There is no secret {name}.")
        self.stdout.write(f"Deleted {name}.")


def _scope(options: dict[str, Any]) -> AbstractContextManager[Tenant]:
    """Return the scope of the tenant, also of one that ``set --new-tenant`` will create."""
    if options.get("new_tenant") and tenants.by_name(options["tenant"]) is None:
        return tenant_scope(Tenant(pk=-1, name=options["tenant"]))
    try:
        return scope_from_options(options)
    except CommandError as error:
        raise CommandError(
            f"{error} Add --new-tenant to create it, empty." if "new_tenant" in options else str(error)
        ) from None
