"""Ends a run with a message."""

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny as Refusal
from flows.stage import Outcome, Stage


class Deny(Stage):
    """Refuses whoever comes here; with a condition, only those to whom it applies."""

    title = _("You cannot go on")

    class Settings(StageSettings):
        message: str = setting(
            "You may not sign in here.", max_length=300, title=_("What the person is told")
        )

    def enter(self, run: Run) -> Outcome:
        return Refusal(self.settings.message)
