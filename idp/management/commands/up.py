"""``manage.py up``: everything in one process, ready for a browser and a device."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from idp import embedded, files
from idp.installation import install
from idp.outbox import mail


class Command(BaseCommand):
    """Migrates, applies the shipped flows, makes the first administrator, then serves web, worker and beat until Ctrl-C."""

    help = "Sets up what is missing and serves everything in this process."

    def handle(self, *args: Any, **options: Any) -> None:
        embedded.refuse_a_second()  # before anything is changed under the feet of the first
        files.prepare()
        install(self.stderr.write)
        if settings.EMBEDDED and not settings.SMTP:
            self.stderr.write(f"Mails are not sent but written to {mail.folder()}, because FOYER_SMTP_URL is not set")
        self.stderr.write(f"Foyer is at http://localhost:{settings.PORT}/ and devices start at /application/o/device/ (stop with Ctrl-C)")
        call_command("web", skip_checks=True)
