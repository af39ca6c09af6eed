"""Adds whether a host name was approved; those that are there lead on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0003_tenant_logo")]

    operations = [
        migrations.AddField("domain", "approved", models.BooleanField(default=True, db_default=True)),
        migrations.AlterField("domain", "approved", models.BooleanField(default=False, db_default=False)),
    ]
