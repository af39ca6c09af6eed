"""``manage.py events export``: the audit log as JSON lines, for an external archive."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from idp.events.retention import export_events
from idp.foundation.arguments import number
from idp.tenancy.argument import add_tenant, scope_from_options


class Command(BaseCommand):
    """Writes one line for each event, oldest first."""

    help = "export: write all events of a tenant to standard output, one JSON object per line, oldest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["export"])
        add_tenant(parser)
        after = parser.add_argument("--after", type=number(0, 2**63 - 1), default=0, metavar="ID")
        after.help = "only events after this ID (the last one of the previous export)"

    def handle(self, *args: Any, **options: Any) -> None:
        with scope_from_options(options):
            for event in export_events(options["after"]):
                self.stdout.write(json.dumps(event))
