"""``manage.py secret …``: values that blueprints only name; entered once, kept encrypted, never shown."""

import sys
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from blueprints import secrets
from idp.tenancy.argument import add_tenant, chosen_scope
from idp.text import on_one_line

_BY = "command line"


class Command(BaseCommand):
    """Sets, lists and removes secrets."""

    help = "Secrets for !secret NAME of blueprints. The value comes from standard input, or is asked for; it is never printed."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        chosen = actions.add_parser("set", help="enter a secret, in place of an earlier one")
        removed = actions.add_parser("remove", help="forget one")
        listed = actions.add_parser("list", help="the names of those that were entered")
        for action in (chosen, removed, listed):
            add_tenant(action)
        for action in (chosen, removed):
            action.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        with chosen_scope(options):
            getattr(self, f"_{options['action']}")(options.get("name", ""))

    def _set(self, name: str) -> None:
        try:
            secrets.check(name)
            value = getpass("Value: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n").removesuffix("\r")
            secrets.check(name, value)
        except (secrets.BadSecret, UnicodeDecodeError) as bad:
            raise CommandError(str(bad) if isinstance(bad, secrets.BadSecret) else "The value is not UTF-8.") from None
        secrets.keep(name, value, by=_BY)
        self.stdout.write(f"Kept {name}.")

    def _list(self, name: str) -> None:
        for each in secrets.names():
            self.stdout.write(on_one_line(each))

    def _remove(self, name: str) -> None:
        if not secrets.forget(name, by=_BY):
            raise CommandError(f"There is no secret {name}.")
        self.stdout.write(f"Removed {name}.")
