"""``manage.py up``: runs everything in one process, ready for a browser and a device."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

from idp.outbox import mail
from idp.runtime import embedded, files
from idp.runtime.installation import install


class Command(BaseCommand):
    """Sets up what is missing, then serves web, worker and beat until Ctrl-C.

    It migrates, applies the shipped flows and creates the first administrator.
    """

    help = "Set up what is missing and run everything in this process."

    def handle(self, *args: Any, **options: Any) -> None:
        embedded.require_single_process()  # before anything changes for the running process
        listening = import_string("web.server.server.bind")(settings.BIND, settings.PORT)
        # The port is bound first: a start that cannot serve creates nothing and shows no password.
        with listening:
            files.prepare()
            install(self.stderr.write)
            import_string("web.server.server.serve")(listening, self._print_address)

    def _print_address(self) -> None:
        if settings.EMBEDDED and not settings.SMTP:
            self.stderr.write(
                f"Emails are saved in {mail.folder()} and not sent, because FOYER_SMTP_URL isn't set"
            )
        self.stderr.write(
            f"Foyer is running at http://localhost:{settings.PORT}/, devices start at "
            "/application/o/device/ (stop with Ctrl-C)"
        )
