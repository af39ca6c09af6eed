"""Asks whether the device that showed the code may be connected."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Approval, Facts
from flows.run import Run
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.devices.service import ApproveDevice, DenyDevice, PendingDevice, find_pending
from idp.devices.simulated import simulated_device
from idp.foundation.clocks import age
from idp.oauth.clients import describe_scopes, may_use
from idp.oauth.scopes import administrative_scopes
from idp.ratelimit.budgets import same_network

_MAX_PROOF_AGE = timedelta(minutes=10)  # maximum age of a proof for granting administrator access
_ROLES = {
    "owner": _("owner"),
    "admin": _("administrator"),
    "editor": _("flow editor"),
    "helpdesk": _("help desk"),
    "auditor": _("auditor"),
}
_PROOF_TOO_OLD = _(
    "This application asks for administrator access, and you signed in a while ago. Sign out, sign in "
    "again and enter the code."
)
_CODE_GONE = _("This code was already used or has expired. Start again on your device.")


class Consent(Stage):
    """Shows what the device asks for and lets the person approve or deny it."""

    title = _("Connect this device?")
    template = "stages/consent.html"
    needs = {"signed_in", "request"}
    gives = {"consent"}

    class Form(forms.Form):
        decision = forms.ChoiceField(choices=[("approve", _("Approve")), ("deny", _("Deny"))])

    def enter(self, run: Run) -> Outcome:
        device, person = _waiting_device(run), run.person
        if device is None:
            return Deny(_CODE_GONE)
        if person is None or not may_use(person, device.application):
            return Deny(
                _("Your account doesn't have access to %(name)s. Ask an administrator for access.")
                % {"name": device.application.title}
            )
        if administrative_scopes(device.scopes) and not _is_recently_proved(run):
            return Deny(_PROOF_TOO_OLD)
        return Show()

    def context(self, run: Run) -> Mapping[str, Any]:
        request = run.facts.request
        device = _waiting_device(run)
        if device is None:
            return {"description": _CODE_GONE}
        application = device.application
        return {
            "application": {name: getattr(application, name) for name in ("logo", "owner", "verified")}
            | {"name": application.title},
            "device": {
                "calls_itself": device.label,
                "agent": device.agent,
                "address": device.address,
                "same_network": same_network(device.address, run.address),
                "asked": device.requested_at,
            },
            "scopes": describe_scopes(device.scopes),
            "administers": _administration(run, device),
            "user_code": request.user_code.open(),
        }

    def assumed_facts(self, run: Run) -> Facts:
        return Facts(consent=Approval(run.facts.request.device, run.facts.request.scopes))

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        request, session = run.facts.request, run.facts.signed_in.session
        if answer["decision"] == "approve":
            return Done(effects=[ApproveDevice(request.device, session, request.scopes, run.flow)])
        message = _("If you didn't start it, no further action is needed.")
        return Deny(message, effects=[DenyDevice(request.device, session)], title=_("Request denied"))


def _is_recently_proved(run: Run) -> bool:
    """Return whether the person proved themselves recently enough to hand over an account."""
    return "proof" in run.facts and age(run.facts.proof.at, run.now) < _MAX_PROOF_AGE


def _administration(run: Run, device: PendingDevice) -> Mapping[str, Any] | None:
    """Return what the application could administer in the person's name; None where it asks for nothing."""
    if not administrative_scopes(device.scopes):
        return None
    role = run.person.role if run.person else ""
    return {"role": str(_ROLES.get(role, role)), "writes": "foyer:write" in device.scopes}


def _waiting_device(run: Run) -> PendingDevice | None:
    request = run.facts.request
    return find_pending(request.device) if request.device else simulated_device(request)
