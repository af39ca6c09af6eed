"""Ends a run with a message, and refuses the device whose code was entered."""

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny, Outcome, Stage
from idp.devices.service import DenyDevice as Refusal


class DenyDevice(Stage):
    """Denies access and rejects the waiting device, which is notified at once.

    Use `deny` to deny only the person: the device keeps waiting, and another person can still approve it.
    """

    title = _("Device denied")
    needs = {"signed_in", "request"}

    class Settings(StageSettings):
        message: str = setting(
            "This device can't be connected.",
            max_length=300,
            title=_("Message"),
        )

    def enter(self, run: Run) -> Outcome:
        device, session = run.facts.request.device, run.facts.signed_in.session
        return Deny(self.settings.message, effects=[Refusal(device, session)], title=self.title)
