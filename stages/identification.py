"""Asks for a username or email address."""

from collections.abc import Mapping
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import ClaimedPerson, Facts
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Done, Outcome, Stage
from idp.accounts.people import identify

_LABELS = {
    ("username",): _("Username"),
    ("email",): _("Email address"),
    ("email", "username"): _("Username or email address"),
}


class Identification(Stage):
    """Asks for a username or email address; unknown users see the same pages."""

    title = _("Sign in")
    gives = {"person"}

    class Settings(StageSettings):
        fields: tuple[Literal["username", "email"], ...] = setting(
            ("username", "email"), min_length=1, title=_("Accepted identifiers")
        )

    class Form(forms.Form):
        name = forms.CharField(
            max_length=254,
            widget=forms.TextInput(
                {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
            ),
        )

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        form = super().form(run, data)
        form.fields["name"].label = _LABELS[tuple(sorted(set(self.settings.fields)))]
        return form

    def assumed_facts(self, run: Run) -> Facts:
        return Facts(person=run.hints.get("assumed", {}).get("person", ClaimedPerson(None, "")))

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        return Done(Facts(person=identify(answer["name"], self.settings.fields)))
