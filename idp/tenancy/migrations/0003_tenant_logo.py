"""Takes pictures from elsewhere away: ``//host/path`` looked like a path on this server."""

from typing import Any

import django.core.validators
from django.db import migrations, models


def _forget(apps: Any, schema_editor: Any) -> None:
    apps.get_model("tenancy", "Tenant").objects.filter(logo__startswith="//").update(logo="")


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0002_tenant_mail_from")]

    operations = [
        migrations.AlterField(
            "tenant",
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
        migrations.RunPython(_forget, migrations.RunPython.noop),
    ]
