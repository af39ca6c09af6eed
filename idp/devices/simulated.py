"""The simulated device of a dry run; no row has its ID, so nothing can ever be decided about it."""

from django.utils.translation import gettext as _

from idp.devices.service import PendingDevice
from idp.foundation.facts import ConnectionRequest
from idp.oauth.clients import find
from idp.oauth.models import Application


def simulated_device(request: ConnectionRequest) -> PendingDevice | None:
    """Return the device of this ``request`` fact if it was assumed and never requested.

    It has an unsaved application where none was chosen.
    """
    assumed = request.shows
    if request.device or assumed is None:
        return None
    application = (find(request.application) if request.application else None) or Application(
        title=_("An application")
    )
    return PendingDevice(0, application, request.scopes, assumed.address, "", assumed.label, assumed.asked)
