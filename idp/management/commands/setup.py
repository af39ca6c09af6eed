"""``manage.py setup``: everything that must be there before the web processes start; run it once for each
release.
"""

from typing import Any

from django.core.management.base import BaseCommand

from idp.runtime import files
from idp.runtime.installation import install


class Command(BaseCommand):
    """Migrates, applies the shipped flows, makes the first administrator, collects the static files; ends."""

    help = "Set up what is missing: tables, default flows, the first administrator, static files."

    def handle(self, *args: Any, **options: Any) -> None:
        files.prepare()
        install(self.stderr.write)
