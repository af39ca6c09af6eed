"""Adds which answer of the token endpoint was given last, while nothing of it was used."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("oauth", "0002_application_administers")]

    operations = [
        migrations.AddField(
            "tokenfamily",
            "unused_answer",
            models.CharField(max_length=32, blank=True, default="", db_default=""),
        ),
    ]
