"""``manage.py restore FILE``: restores a copy made by ``manage.py backup``."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp.management.commands.backup import POSTGRESQL
from idp.runtime import embedded, files
from idp.runtime.backups import BackupFailed, copy_database


class Command(BaseCommand):
    """Restores only where no database exists; nothing is ever overwritten."""

    help = (
        "Check FILE and copy it to the location of the SQLite database. Foyer must be stopped, and "
        "no database may exist yet."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        database = settings.SQLITE
        if database is None:
            raise CommandError(POSTGRESQL)
        if not options["file"].is_file():
            raise CommandError(f"File not found: {options['file']}.")
        with embedded.exclusive_lock():
            files.make_folder(database.parent)
            existing = [file for file in (database, *files.journal_files(database)) if file.exists()]
            if existing:
                names = " ".join(map(str, existing))
                # a leftover journal would corrupt the copy
                raise CommandError(f"A database already exists. Move {names} elsewhere first.")
            try:
                copy_database(options["file"], database)
            except BackupFailed as error:
                raise CommandError(str(error)) from None
        self.stdout.write(
            f"Restored {database}. Start with manage.py up, which migrates the database if this "
            "version is newer."
        )
        try:
            files.require_matching_key()
        except CommandError as error:
            self.stderr.write(str(error))
