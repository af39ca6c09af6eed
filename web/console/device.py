"""The page of one device with its timeline, and the confirmation before its access is revoked."""

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
from web.console.frame import ConsolePage, render_page, see_other
from web.console.requests import ConsoleRequest

_ENTRY_TITLES = {
    "started": gettext_lazy("Code requested"),
    "code_entered": gettext_lazy("Code entered"),
    "approved": gettext_lazy("Approved"),
    "denied": gettext_lazy("Denied"),
    "expired": gettext_lazy("Request expired"),
    "redeemed": gettext_lazy("Connected"),
    "refreshed": gettext_lazy("Tokens refreshed"),
    "revoked": gettext_lazy("Revoked"),
    "tokens.revoked": gettext_lazy("Tokens revoked"),
}
_STATES = {
    "pending": (gettext_lazy("Pending"), "warn"),
    "approved": (gettext_lazy("Approved, not connected yet"), "ok"),
    "redeemed": (gettext_lazy("Connected"), "ok"),
    "denied": (gettext_lazy("Denied"), "bad"),
    "expired": (gettext_lazy("Expired"), ""),
    "revoked": (gettext_lazy("Revoked"), "bad"),
    "": (gettext_lazy("Deleted"), ""),
}
_CONFIRMATIONS = {
    True: gettext_lazy("The request is denied immediately and the code stops working."),
    False: gettext_lazy("All tokens of the device are revoked immediately. The device must sign in again."),
}
_TONES = {"approved": "good", "redeemed": "good", "denied": "bad", "revoked": "bad", "tokens.revoked": "bad"}


def device(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Render a device with its timeline."""
    timeline = devices.load_timeline(pk)
    if timeline is None:
        raise Http404
    state, tone = _STATES[timeline.state]
    context: dict[str, Any] = {
        "timeline": timeline,
        "state": state,
        "tone": tone,
        "scopes": describe_scopes(timeline.scopes),
        "asks": _CONFIRMATIONS[timeline.state == "pending"],
        "entries": _timeline_entries(timeline),
        "goes_on": timeline.state in ("pending", "approved", "redeemed"),
        "events_url": f"{reverse('console:events')}?{urlencode({'topic': _event_topics(pk)})}",
        "more_refreshes": timeline.refreshes - devices.MAX_REFRESHES,
        "back_url": reverse("console:devices"),
        "resource": RESOURCES["devices"],
    }
    return render_page(request, "console/device.html", title=_title(timeline, pk), **context)


def revoke(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then deny the pending request or revoke the tokens of the device by POST."""
    timeline, url = devices.load_timeline(pk), reverse("console:device", args=[pk])
    if timeline is None:
        raise Http404
    if request.method != "POST" and timeline.can_end:
        pending = timeline.state == "pending"
        words: dict[str, Any] = {
            "asks": _CONFIRMATIONS[pending],
            "what": _title(timeline, pk),
            "button": _("Deny request") if pending else _("Revoke access"),
        }
        title = _("Deny this request?") if pending else _("Revoke access of this device?")
        return render_page(
            request,
            "console/objects/ask.html",
            title=title,
            trail=_title(timeline, pk),
            trail_url=url,
            **words,
        )
    done = request.method == "POST" and devices.end(pk, by=request.person)
    return see_other(
        request,
        url,
        _("Access revoked.") if done else _("Nothing left to revoke."),
    )


def _title(timeline: devices.Timeline, pk: int) -> str:
    """Return the label of the device, or else its application, with the person who connected it."""
    name = (
        f"“{timeline.label}”"
        if timeline.label
        else timeline.application_title or timeline.application or _("Device %(number)s") % {"number": pk}
    )
    return f"{name} · {timeline.person}" if timeline.person else name


def _event_topics(pk: int) -> str:
    """Return the topics of the device and of its tokens, as the filter of the audit log."""
    return ",".join(devices.topics_of(pk) or (topic_of(pk),))


def _timeline_entries(timeline: devices.Timeline) -> list[dict[str, Any]]:
    return [
        {"title": _ENTRY_TITLES.get(each.what, each.what), "entry": each, "tone": _TONES.get(each.what, "")}
        for each in timeline.moments
    ]


PAGES = (
    ConsolePage("devices/<int:pk>/", device, "device", view_operation="devices.see"),
    ConsolePage(
        "devices/<int:pk>/revoke",
        revoke,
        "device-revoke",
        view_operation="devices.revoke",
        post_operation="devices.revoke",
    ),
)
