"""Asks for the code that a waiting device shows."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import AssumedDevice, ConnectionRequest, Facts
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Done, Outcome, Show, Stage
from idp.devices.codes import format_code, normalize_user_code
from idp.devices.service import NoteEntry, find_pending_by_code
from idp.devices.throttling import PER_PERSON, entry_budgets
from idp.foundation.sealing import Sealed
from idp.oauth.clients import by_name
from idp.ratelimit.budgets import Spend


class DeviceCode(Stage):
    """Asks for the code that the device shows. A complete link prefills the code but never submits it."""

    title = _("Connect a device")
    template = "stages/device_code.html"
    gives = {"request"}

    class Settings(StageSettings):
        tries: int = setting(
            PER_PERSON, ge=1, le=20, title=_("Wrong codes allowed per person while a code is valid")
        )

    class Form(forms.Form):
        user_code = forms.CharField(
            label=_("Code on your device"),
            max_length=64,
            widget=forms.TextInput(
                {
                    "autocomplete": "off",
                    "autocapitalize": "characters",
                    "spellcheck": "false",
                    "inputmode": "text",
                }
            ),
        )

    def initial(self, run: Run) -> Mapping[str, Any]:
        hint = run.hints.get("user_code")
        return {"user_code": hint.open()} if hint else {}

    def context(self, run: Run) -> Mapping[str, Any]:
        return {"prefilled": bool(run.hints.get("user_code"))}

    def assumed_facts(self, run: Run) -> Facts:
        circumstances = run.hints.get("assumed", {})
        application = by_name(circumstances.get("application", ""))
        device = AssumedDevice(
            circumstances.get("device_address", ""),
            run.now - timedelta(seconds=circumstances.get("device_age", 0)),
            circumstances.get("device_label", ""),
        )
        request = ConnectionRequest(
            kind="device",
            device=0,
            application=application.pk if application else 0,
            scopes=tuple(circumstances.get("scopes", ())),
            flow=run.flow,
            user_code=Sealed.of("BCDF-GHJK"),
            shows=device,
        )
        return Facts(request=request)

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return entry_budgets(
            person=run.signed_in, browser=run.browser, address=run.address, per_person=self.settings.tries
        )

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        device = find_pending_by_code(answer["user_code"])
        if device is None:
            return Show(
                errors={
                    "user_code": _(
                        "That code isn't valid or has expired. Check it, or get a new one on your device."
                    )
                }
            )
        request = ConnectionRequest(
            kind="device",
            device=device.pk,
            application=device.application.pk,
            scopes=device.scopes,
            flow=device.application.flows.get("device_code", ""),
            user_code=Sealed.of(format_code(normalize_user_code(answer["user_code"]))),
        )
        return Done(Facts(request=request), effects=[NoteEntry(device.pk, run.signed_in)])
