"""Shows the result."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.stage import Outcome, Show, Stage
from idp.devices.service import is_connected, topic_of
from idp.oauth.clients import find


class Finish(Stage):
    """Shows the person that the device is approved, and when it has connected."""

    title = _("Approved – return to your device")
    template = "stages/finish.html"
    needs = {"request", "consent"}

    def enter(self, run: Run) -> Outcome:
        return Show(last=True)

    def context(self, run: Run) -> Mapping[str, Any]:
        application = find(run.facts.request.application)
        done = is_connected(run.facts.consent.device)
        texts = {"title": _("Connected")} if done else {}
        return {
            "connected": done,
            "topic": topic_of(run.facts.consent.device),
            "application": {"name": application.title if application else ""},
            **texts,
        }
