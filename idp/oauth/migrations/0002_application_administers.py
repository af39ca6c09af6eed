"""Adds who may ask for the administration, and takes pictures from elsewhere away."""

from typing import Any

import django.core.validators
from django.db import migrations, models


def _approve(apps: Any, schema_editor: Any) -> None:
    """An application that shows a secret goes on administering; anyone can claim to be a public one, so an owner decides."""
    application = apps.get_model("oauth", "Application")
    for row in application.objects.filter(confidential=True):
        if any(name.casefold().startswith("foyer:") for name in row.scopes):
            row.administers = True
            row.save(update_fields=["administers"])
    application.objects.filter(logo__startswith="//").update(logo="")


class Migration(migrations.Migration):
    dependencies = [("oauth", "0001_initial")]

    operations = [
        migrations.AddField(
            "application", "administers", models.BooleanField(default=False, db_default=False)
        ),
        migrations.AlterField(
            "application",
            "logo",
            models.TextField(
                blank=True,
                default="",
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A(/(?!/)[\\x21-\\x5b\\x5d-\\x7e]{0,200}|data:image/(png|jpeg|webp|svg\\+xml);base64,[A-Za-z0-9+/=]{1,65536})\\Z",
                        "A path on this server, or a data: address of a PNG, JPEG, WebP or SVG picture of 48 KiB at most; no page loads from elsewhere.",
                    )
                ],
            ),
        ),
        migrations.RunPython(_approve, migrations.RunPython.noop),
    ]
