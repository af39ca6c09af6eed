"""``manage.py setup``: prepares everything that the web processes need; run it once for each release."""

from typing import Any

from django.core.management.base import BaseCommand

from idp.runtime import files
from idp.runtime.installation import install


class Command(BaseCommand):
    """Migrates, applies the shipped flows, creates the first administrator and collects static files."""

    help = "Set up what is missing: tables, default flows, the first administrator, static files."

    def handle(self, *args: Any, **options: Any) -> None:
        files.prepare()
        install(self.stderr.write)
