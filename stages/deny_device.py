"""Ends a run with a message, and refuses the device whose code was entered."""

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny, Outcome, Stage
from idp.devices.service import DenyDevice as Refusal


class DenyDevice(Stage):
    """Refuses whoever comes here, and with them the waiting device: it is told so at once, and nobody
    approves it any more.

    `deny` refuses the person alone: the device goes on waiting, for somebody who may.
    """

    title = _("Device refused")
    needs = {"signed_in", "request"}

    class Settings(StageSettings):
        message: str = setting(
            "This device may not be connected. It has been told.",
            max_length=300,
            title=_("What the person is told"),
        )

    def enter(self, run: Run) -> Outcome:
        device, session = run.facts["request"]["device"], run.facts["signed_in"]["session"]
        return Deny(self.settings.message, effects=[Refusal(device, session)], title=self.title)
