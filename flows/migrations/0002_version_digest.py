"""Adds the digest of a version's content."""

import json
from hashlib import sha256
from typing import Any

from django.db import migrations, models


def _set_digests(apps: Any, schema_editor: Any) -> None:
    """Versions that are there already get the digest that publishing stores from now on."""
    versions = apps.get_model("flows", "Version").objects
    for pk, document, parts in versions.values_list("pk", "document", "parts").iterator():
        digest = sha256(json.dumps([document, parts], sort_keys=True).encode()).hexdigest()
        versions.filter(pk=pk).update(digest=digest)


class Migration(migrations.Migration):
    dependencies = [("flows", "0001_initial")]

    operations = [
        migrations.AddField("version", "digest", models.CharField(db_default="", default="", max_length=64)),
        migrations.RunPython(_set_digests, migrations.RunPython.noop),
    ]
