"""Tell attempts that are being judged from those that have been."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ratelimit", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="judged",
            field=models.BooleanField(db_default=True, default=True),
        ),
    ]
