"""Asks whether the device that showed the code may be connected."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.devices.pretended import pretended
from idp.devices.service import ApproveDevice, DenyDevice, Waiting, waiting
from idp.oauth.clients import describe_scopes, may_use
from idp.ratelimit.budgets import address_key

_GONE = _("This code was decided on already, or has expired. Start again on your device.")


class Consent(Stage):
    """Names application, code and requester, and decides on the device: the only place that does, by one POST."""

    title = _("Connect this device?")
    template = "stages/consent.html"
    needs = {"signed_in", "request"}
    gives = {"consent"}

    class Form(forms.Form):
        decision = forms.ChoiceField(choices=[("approve", _("Approve")), ("deny", _("This is not me"))])

    def enter(self, run: Run) -> Outcome:
        device, person = _device(run), run.person
        if device is None:
            return Deny(_GONE)
        if person is None or not may_use(person, device.application):
            return Deny(_("Your account may not use %(name)s. Ask an administrator for access.") % {"name": device.application.title})
        return Show()

    def context(self, run: Run) -> Mapping[str, Any]:
        request = run.facts["request"]
        device = _device(run)
        if device is None:
            return {"description": _GONE}
        application = device.application
        return {
            "application": {name: getattr(application, name) for name in ("logo", "owner", "verified")} | {"name": application.title},
            "device": {
                "label": device.label,
                "agent": device.agent,
                "address": device.address,
                "same_network": bool(device.address) and address_key(device.address) == address_key(run.address),
                "asked": device.asked_at,
            },
            "scopes": describe_scopes(device.scopes),
            "user_code": request["user_code"].open(),
        }

    def assumed(self, run: Run) -> Mapping[str, Any]:
        return {"consent": {name: run.facts["request"][name] for name in ("device", "scopes")}}

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        request, session = run.facts["request"], run.facts["signed_in"]["session"]
        if answer["decision"] == "approve":
            return Done(effects=[ApproveDevice(request["device"], session, tuple(request["scopes"]), run.flow)])
        message = _("You refused the device, and it has been told. If you did not start this, you need not do anything else.")
        return Deny(message, effects=[DenyDevice(request["device"], session)], title=_("Device refused"))


def _device(run: Run) -> Waiting | None:
    request = run.facts["request"]
    return waiting(request["device"]) if request["device"] else pretended(request)
