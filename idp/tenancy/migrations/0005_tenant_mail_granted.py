"""Adds whether a sender of mails was granted."""

from typing import Any

from django.db import migrations, models


def _grant(apps: Any, schema_editor: Any) -> None:
    """The default tenant is the installation itself; another one's sender at a domain that is not its own becomes its Reply-To."""
    apps.get_model("tenancy", "Tenant").objects.filter(name="default").exclude(mail_from="").update(
        mail_granted=True
    )


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0004_domain_approved")]

    operations = [
        migrations.AddField(
            "tenant", "mail_granted", models.BooleanField(default=False, db_default=False, editable=False)
        ),
        migrations.RunPython(_grant, migrations.RunPython.noop),
    ]
