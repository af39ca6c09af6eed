"""``manage.py events export``: the audit trail as JSON lines, for an archive of one's own."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp.events.retention import exported
from idp.tenancy import tenants
from idp.tenancy.models import DEFAULT
from idp.tenancy.scope import tenant_scope


class Command(BaseCommand):
    """One line an event, oldest first."""

    help = "export: every event of a tenant on standard output, one JSON object a line, oldest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["export"])
        parser.add_argument("--tenant", default=DEFAULT, metavar="NAME")
        parser.add_argument("--after", type=int, default=0, metavar="ID", help="only those after this one, the last of the last export")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenants.by_name(options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']}.")
        with tenant_scope(tenant):
            for event in exported(options["after"]):
                self.stdout.write(json.dumps(event, ensure_ascii=False))
