"""``manage.py web``: only serves; ``manage.py setup`` has prepared what it needs."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

from idp.runtime import embedded, files


class Command(BaseCommand):
    """One web process; in the embedded mode the only one, with worker and beat inside."""

    help = "Serve on PORT until SIGINT or SIGTERM. Any number of these can run if REDIS_URL is set."

    def handle(self, *args: Any, **options: Any) -> None:
        embedded.require_single_process()
        listening = import_string("web.server.server.bind")(settings.BIND, settings.PORT)
        with listening:
            files.prepare()
            import_string("web.server.server.serve")(listening)
