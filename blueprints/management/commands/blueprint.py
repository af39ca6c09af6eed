"""``manage.py blueprint apply FILE…``: configuration from YAML, whole or not at all."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from blueprints.apply import apply
from blueprints.read import BadBlueprint


class Command(BaseCommand):
    """Applies blueprint files."""

    help = "Applies blueprint files: every problem is named with file, line and key, and then nothing is applied."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        action = actions.add_parser("apply", help="apply these files in one transaction")
        action.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            applied = apply(options["files"])
        except BadBlueprint as bad:
            raise CommandError(f"{bad}\nNothing was applied.") from None
        for each in applied:
            self.stdout.write(f"{each.tenant}: {each.kind} {each.name}")
