"""Proves a person by one of their recovery codes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from flows.facts import Facts, Proof
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import PASSWORD, RECOVERY_CODE, has_second_factor, kinds_of
from idp.accounts.recovery_codes import (
    LOW_COUNT,
    METHOD,
    SavedForm,
    SaveRecoveryCodes,
    count_unused,
    new_codes,
    verify,
)
from idp.accounts.sessions import StepUp
from idp.accounts.throttling import second_factor_budgets
from idp.foundation.effects import Effect
from idp.foundation.sealing import Sealed
from idp.ratelimit.budgets import Spend


class RecoveryCode(Stage):
    """Asks for a recovery code, which works once, and shows how many are left. Any spelling is accepted.

    ``missing`` sets what happens when the person has no codes: the step is skipped, the person is denied, or
    codes are created here. They can be created only if the person has no second factor of any kind, used-up
    codes included; otherwise a password alone would be enough. Creating codes is not a second factor. After
    sign-in, the second factor is recorded in the session.

    Used-up codes never leave a password alone. Where codes are the account's only second factor, the last one
    leads to ten new codes, which must be saved to pass the step. People who leave without saving them are
    denied from then on, until an administrator resets the factor.
    """

    title = _("Enter a recovery code")
    template = "stages/recovery_codes.html"
    needs = {"person", "proof"}
    gives = {"second_factor"}
    method = METHOD

    class Settings(StageSettings):
        missing: Literal["skip", "refuse", "set_up"] = setting(
            "refuse", title=_("If the person has no recovery codes")
        )

    class Form(forms.Form):
        code = forms.CharField(
            label=_("Recovery code"),
            max_length=64,
            widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        )

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        return SavedForm(data) if "codes" in run.step_state else self.Form(data)

    def enter(self, run: Run) -> Outcome:
        person = run.facts.proof.person
        if count_unused(person):
            return Show()
        if RECOVERY_CODE in kinds_of(person):
            return Deny(
                _("You've used all your recovery codes. Ask an administrator to reset your second factor.")
            )
        if self.settings.missing == "skip":
            return Done()
        if self.settings.missing == "set_up" and not has_second_factor(person):
            return Show(step_state={"codes": Sealed.of(" ".join(new_codes()))})
        return Deny(
            _("A recovery code is required, but your account has none."),
            set_up_label=_("Create recovery codes"),
        )

    def context(self, run: Run) -> Mapping[str, Any]:
        if "codes" in run.step_state:
            title = (
                _("That was your last code. Save new ones")
                if "proved" in run.step_state
                else _("Save your recovery codes")
            )
            return {"title": title, "codes": run.step_state["codes"].open().split()}
        n = count_unused(run.facts.proof.person)
        text = ngettext(
            "You have %(n)d code left. It works once.", "You have %(n)d codes left. Each code works once.", n
        ) % {"n": n}
        few = " " + _("Create new ones soon, on the start page.") if n <= LOW_COUNT else ""
        return {"description": f"{text}{few}"}

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return second_factor_budgets(run.person, run.address, run.known_browser)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person = run.facts.proof.person
        if "codes" in run.step_state:
            saved = SaveRecoveryCodes(
                person, tuple(run.step_state["codes"].open().split()), first="proved" not in run.step_state
            )
            return (
                self._passed(run, datetime.fromisoformat(run.step_state["proved"]), saved)
                if "proved" in run.step_state
                else Done(effects=[saved])
            )
        used = verify(person, answer["code"])
        if used is None:
            return Show(errors={"code": _("That code isn't valid or was already used.")})
        if count_unused(person) == 1 and set(kinds_of(person)) <= {PASSWORD, RECOVERY_CODE}:
            return Show(
                step_state={"codes": Sealed.of(" ".join(new_codes())), "proved": run.now.isoformat()},
                effects=[used],
            )
        return self._passed(run, run.now, used)

    def _passed(self, run: Run, at: datetime, effect: Effect) -> Outcome:
        step_up = [StepUp(run.facts.signed_in.session, METHOD)] if "signed_in" in run.facts else []
        return Done(
            Facts(second_factor=Proof(run.facts.proof.person, METHOD, at)), effects=[effect, *step_up]
        )
