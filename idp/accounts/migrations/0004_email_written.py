from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_session_proofs"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="email_written",
            field=models.CharField(blank=True, db_default="", default="", max_length=320),
        ),
    ]
