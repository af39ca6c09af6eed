"""``manage.py backup FILE``: copies the SQLite database consistently, even while it is in use."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp.runtime.backups import BackupFailed, copy_database

POSTGRESQL = "The database is PostgreSQL. Use pg_dump and pg_restore, as described in docs/operations.md."


class Command(BaseCommand):
    """Copies the database and lists what else must be saved."""

    help = (
        "Copy the SQLite database to FILE, which must not exist, and check the copy. Foyer can keep running."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.SQLITE is None:
            raise CommandError(POSTGRESQL)
        try:
            size = copy_database(settings.SQLITE, options["file"])
        except BackupFailed as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{options['file']} can't be written: {error.strerror}.") from None
        self.stdout.write(f"{options['file']}: {size / 1_000_000:.1f} MB, checked")
        self.stdout.write("Not included, but needed to use the copy (store it in a different place):")
        for what in _also_needed():
            self.stdout.write(f"- {what}")


def _also_needed() -> list[str]:
    place = "in FOYER_SECRET_KEY" if settings.SECRET_KEY_IS_GIVEN else str(settings.DATA / "secret.key")
    key = f"the secret key, {place}"
    if settings.SECRET_KEY_FALLBACKS:
        key += ", and FOYER_SECRET_KEY_FALLBACKS"
    folders = {"FOYER_SECRETS": settings.SECRETS, "FOYER_BLUEPRINTS": settings.BLUEPRINTS}
    named = [f"the folder of {name}, {folder}" for name, folder in folders.items() if folder]
    return [f"{key}: encrypted data can't be read without it", *named]
