"""The simulated device of a dry run; no row has its ID, so nothing can ever be decided about it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from idp.devices.service import PendingDevice
from idp.oauth.clients import find
from idp.oauth.models import Application


def simulated_device(request: Mapping[str, Any]) -> PendingDevice | None:
    """Return the device of this ``request`` fact if it was assumed and never requested.

    It has an unsaved application where none was chosen.
    """
    assumed = request.get("shows")
    if request.get("device") or not assumed:
        return None
    application = (find(request["application"]) if request.get("application") else None) or Application(
        title=_("An application")
    )
    requested_at = datetime.fromisoformat(assumed["asked"])
    return PendingDevice(
        0,
        application,
        tuple(request.get("scopes", ())),
        assumed["address"],
        "",
        assumed.get("label", ""),
        requested_at,
    )
