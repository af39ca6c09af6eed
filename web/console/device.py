"""The story of one device on one page, and the question before it is ended."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from idp.devices import timeline as devices
from idp.devices.service import topic_of
from idp.oauth.clients import describe_scopes
from web.administration.resources import RESOURCES
from web.console.frame import Page, see, show
from web.console.requests import ConsoleRequest

_SAID = {
    "started": gettext_lazy("Asked for a code"),
    "code_entered": gettext_lazy("The code was entered"),
    "approved": gettext_lazy("Approved"),
    "denied": gettext_lazy("Denied"),
    "expired": gettext_lazy("Nobody decided in time"),
    "redeemed": gettext_lazy("Connected: it fetched its tokens"),
    "refreshed": gettext_lazy("Fetched new tokens"),
    "revoked": gettext_lazy("Revoked"),
    "tokens.revoked": gettext_lazy("Its tokens were revoked"),
}
_STATES = {
    "pending": (gettext_lazy("Waits for a decision"), "warn"),
    "approved": (gettext_lazy("Approved, not connected yet"), "ok"),
    "redeemed": (gettext_lazy("Connected"), "ok"),
    "denied": (gettext_lazy("Denied"), "bad"),
    "expired": (gettext_lazy("Expired"), ""),
    "revoked": (gettext_lazy("Revoked"), "bad"),
    "": (gettext_lazy("No longer kept"), ""),
}
_ASKS = {
    True: gettext_lazy("The device is told at once that it was denied. Its code is worth nothing any more."),
    False: gettext_lazy("Every token that the device got ends at once. It must ask again."),
}
_TONES = {"approved": "good", "redeemed": "good", "denied": "bad", "revoked": "bad", "tokens.revoked": "bad"}


def device(request: ConsoleRequest, pk: int) -> HttpResponse:
    """All that is known of it."""
    found = devices.story(pk)
    if found is None:
        raise Http404
    state, tone = _STATES[found.state]
    context: dict[str, Any] = {
        "story": found,
        "state": state,
        "tone": tone,
        "scopes": describe_scopes(found.scopes),
        "asks": _ASKS[found.state == "pending"],
        "moments": _moments(found),
        "goes_on": found.state in ("pending", "approved", "redeemed"),
        "events_url": f"{reverse('console:events')}?{urlencode({'topic': _topics(pk)})}",
        "more_refreshes": found.refreshes - devices.SHOWN_REFRESHES,
        "back_url": reverse("console:devices"),
        "resource": RESOURCES["devices"],
    }
    return show(request, "console/device.html", title=_named(found, pk), **context)


def revoke(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Asks what will be lost, and ends it by POST: what waits is denied, what is connected loses
    its tokens.
    """
    found, url = devices.story(pk), reverse("console:device", args=[pk])
    if found is None:
        raise Http404
    if request.method != "POST" and found.can_end:
        waits = found.state == "pending"
        words: dict[str, Any] = {
            "asks": _ASKS[waits],
            "what": _named(found, pk),
            "button": _("Deny") if waits else _("Revoke"),
        }
        title = _("Deny this device?") if waits else _("Revoke this device?")
        return show(
            request, "console/objects/ask.html", title=title, trail=_named(found, pk), trail_url=url, **words
        )
    done = request.method == "POST" and devices.end(pk, by=request.person)
    return see(
        request,
        url,
        _("Revoked: the device has lost everything it had.")
        if done
        else _("There was nothing left to revoke."),
    )


def _named(found: devices.Story, pk: int) -> str:
    """What people know it by: its label or its application, and whose it is."""
    name = (
        f"“{found.label}”"
        if found.label
        else found.application_title or found.application or _("Device %(number)s") % {"number": pk}
    )
    return f"{name} · {found.person}" if found.person else name


def _topics(pk: int) -> str:
    """Of the device and of what it was given, as the list of events is narrowed to them."""
    return ",".join(devices.topics_of(pk) or (topic_of(pk),))


def _moments(found: devices.Story) -> list[dict[str, Any]]:
    return [
        {"said": _SAID.get(each.what, each.what), "moment": each, "tone": _TONES.get(each.what, "")}
        for each in found.moments
    ]


PAGES = (
    Page("devices/<int:pk>/", device, "device", see="devices.see"),
    Page("devices/<int:pk>/revoke", revoke, "device-revoke", see="devices.revoke", do="devices.revoke"),
)
