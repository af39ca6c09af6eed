"""Proves a person by a code of their authenticator app."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Facts, Proof
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import TOTP, has_second_factor, kinds_of
from idp.accounts.sessions import StepUp
from idp.accounts.throttling import second_factor_budgets
from idp.accounts.totp import (
    INCORRECT_CODE,
    METHOD,
    CodeField,
    SaveTotp,
    enrollment,
    match_step,
    new_secret,
    verify,
)
from idp.foundation.effects import Effect
from idp.foundation.sealing import Sealed
from idp.ratelimit.budgets import Spend


class Totp(Stage):
    """Asks for a code of the authenticator app (TOTP, RFC 6238); each code works once.

    ``missing`` sets what happens when the person has no app: the step is skipped, the person is denied, or
    they set one up here. They can set one up only if they have no second factor of any kind, used-up recovery
    codes included; otherwise a password alone would be enough to replace it. After sign-in, the second factor
    is recorded in the session.

    Setting up an app passes the step, and conditions of this flow see a second factor. The session does not:
    setting up is not authenticating, so tokens say ``mfa`` only after a code of the app was entered.
    """

    title = _("Enter the code")
    description = _("Enter the six-digit code from your authenticator app.")
    template = "stages/authenticator.html"
    needs = {"person", "proof"}
    gives = {"second_factor"}
    method = METHOD

    class Settings(StageSettings):
        missing: Literal["skip", "refuse", "set_up"] = setting(
            "refuse", title=_("If the person has no authenticator app")
        )

    class Form(forms.Form):
        code = CodeField()

    def enter(self, run: Run) -> Outcome:
        person = run.facts.proof.person
        if TOTP in kinds_of(person):
            return Show()
        if self.settings.missing == "skip":
            return Done()
        if self.settings.missing == "set_up" and not has_second_factor(person):
            return Show(step_state={"secret": Sealed.of(new_secret())})
        return Deny(
            _("An authenticator app is required, but your account has none."),
            set_up_label=_("Set up an authenticator app"),
        )

    def context(self, run: Run) -> Mapping[str, Any]:
        if "secret" not in run.step_state:
            return {}
        account = run.person.username if run.person else run.claimed_name
        return {
            "title": _("Set up your authenticator app"),
            **enrollment(run.step_state["secret"].open(), account),
        }

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return second_factor_budgets(run.person, run.address, run.known_browser)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person = run.facts.proof.person
        if "secret" in run.step_state:
            saved = self._set_up(run, person, answer["code"])
            return (
                Done(Facts(second_factor=Proof(person, METHOD, run.now, enrolled=True)), effects=[saved])
                if saved
                else Show(errors={"code": INCORRECT_CODE})
            )
        used = verify(person, answer["code"], run.now)
        if used is None:
            return Show(errors={"code": INCORRECT_CODE})
        step_up = [StepUp(run.facts.signed_in.session, METHOD)] if "signed_in" in run.facts else []
        return Done(Facts(second_factor=Proof(person, METHOD, run.now)), effects=[used, *step_up])

    def _set_up(self, run: Run, person: int, code: str) -> Effect | None:
        secret = run.step_state["secret"].open()
        step = match_step(secret, code, run.now)
        return SaveTotp(person, secret, step, first=True) if step else None
