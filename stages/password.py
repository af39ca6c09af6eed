"""Proves a person by their password."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Facts, Proof
from flows.run import Run
from flows.settings import Duration, StageSettings, setting
from flows.stage import Done, Outcome, Show, Stage
from idp.accounts.credentials import PasswordField, UpgradeHash, check_password, hash_password
from idp.accounts.throttling import password_budgets
from idp.ratelimit.budgets import Spend


class Password(Stage):
    """Asks for the password. Errors never reveal whether the account exists."""

    title = _("Enter your password")
    submit_label = _("Sign in")
    needs = {"person"}
    gives = {"proof"}
    method = "pwd"

    class Settings(StageSettings):
        free: int = setting(4, ge=1, le=20, title=_("Wrong passwords allowed before an increasing delay"))
        window: Duration = setting(timedelta(hours=1), title=_("How long wrong passwords are counted"))

    class Form(forms.Form):
        password = PasswordField(label=_("Password"), autocomplete="current-password")

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        limits = {"free": self.settings.free, "window": self.settings.window}
        return password_budgets(run.person, run.claimed_name, run.address, run.known_browser, **limits)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person = run.person
        verdict = check_password(person, answer["password"])
        if not verdict.correct or person is None:
            return Show(errors={"password": _("Incorrect username or password.")})
        stale = verdict.needs_rehash and UpgradeHash(
            person.pk, person.password, hash_password(answer["password"])
        )
        return Done(
            Facts(proof=Proof(person.pk, self.method, run.now)),
            effects=[stale] if stale else [],
        )
