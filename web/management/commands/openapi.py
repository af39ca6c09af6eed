"""``manage.py openapi``: write docs/openapi.json, the description of the JSON API."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from web.api.app import render_document


class Command(BaseCommand):
    """Writes the committed document. A test compares it with the code."""

    help = "Write docs/openapi.json, the OpenAPI 3.1 document of the JSON API."

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "openapi.json"
        path.write_text(render_document(), encoding="utf-8")
        self.stdout.write(f"written: {path.relative_to(settings.BASE_DIR)}")
