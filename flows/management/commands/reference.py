"""``manage.py reference``: writes docs/stages/, the stage reference, and the cost table."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from flows.documents.reference import render_pages, update_cost_table


class Command(BaseCommand):
    """Generates files that are committed; a test compares them."""

    help = "Write docs/stages/: a page for each stage that comes with Foyer, an index, and what stages cost."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.BASE_DIR / "docs" / "stages"
        folder.mkdir(exist_ok=True)
        files = render_pages()
        for stale in folder.glob("*.md"):
            if stale.name not in files:
                stale.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        guide = folder.parent / "writing-a-stage.md"
        guide.write_text(update_cost_table(guide.read_text(encoding="utf-8")), encoding="utf-8")
        self.stdout.write(f"written: {folder.relative_to(settings.BASE_DIR)}, {len(files)} pages")
