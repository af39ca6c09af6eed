"""Ends a run with a message."""

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny as Refusal
from flows.stage import Outcome, Stage


class Deny(Stage):
    """Denies access. Add a condition to deny only some people."""

    title = _("Access denied")

    class Settings(StageSettings):
        message: str = setting(
            "You don't have permission to sign in.", max_length=300, title=_("Message for the person")
        )

    def enter(self, run: Run) -> Outcome:
        return Refusal(self.settings.message)
