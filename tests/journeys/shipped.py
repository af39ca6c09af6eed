"""The flows that every installation begins with, for the tenants of the tests."""

from pathlib import Path

from django.conf import settings

from blueprints.files.read import read
from flows.editing.publishing import publish

_FILE = Path(settings.BASE_DIR) / "blueprints" / "default" / "10-tenant.yaml"


def ship() -> None:
    """Publish the flows of the shipped blueprint in the tenant in scope."""
    for located in read([_FILE]).documents:
        if located.kind == "flow":
            publish(located.document, by="test")
