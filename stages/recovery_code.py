"""Proves a person by one of their recovery codes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import RECOVERY_CODE, guarded, kinds_of
from idp.accounts.guard import second_factor_budgets
from idp.accounts.recovery_codes import METHOD, SavedForm, SaveRecoveryCodes, left, new_codes, use
from idp.accounts.sessions import StepUp
from idp.ratelimit.budgets import Spend
from idp.sealing import Sealed


class RecoveryCode(Stage):
    """Asks for one of the person's recovery codes, says how many are left, and uses it up; any spelling is accepted.

    ``missing`` says what happens to somebody who has none left: the step is skipped, they are refused, or codes are made here
    and now. Making them is only for whoever holds no second factor of any kind, used-up codes included: else a password alone
    would be enough. After signing in, the session notes the second factor.
    """

    title = _("Enter a recovery code")
    template = "stages/recovery_codes.html"
    needs = {"person", "proof"}
    gives = {"second_factor"}
    method = METHOD

    class Settings(StageSettings):
        missing: Literal["skip", "refuse", "set_up"] = setting("refuse", title=_("What happens when the person has no recovery code left"))

    class Form(forms.Form):
        code = forms.CharField(
            label=_("Recovery code"),
            max_length=64,
            widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        )

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        return SavedForm(data) if "codes" in run.kept else self.Form(data)

    def enter(self, run: Run) -> Outcome:
        person = run.facts["proof"]["person"]
        if RECOVERY_CODE in kinds_of(person):
            return Show()
        if self.settings.missing == "skip":
            return Done()
        if self.settings.missing == "set_up" and not guarded(person):
            return Show(keep={"codes": Sealed.of(" ".join(new_codes()))})
        return Deny(_("This needs a recovery code, and your account has none left. Ask an administrator."))

    def context(self, run: Run) -> Mapping[str, Any]:
        if "codes" in run.kept:
            return {"title": _("Save your recovery codes"), "codes": run.kept["codes"].open().split()}
        n = left(run.facts["proof"]["person"])
        text = ngettext("You have %(n)d code left. It works once.", "You have %(n)d codes left. Each works once.", n)
        return {"description": text % {"n": n}}

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return second_factor_budgets(run.facts["proof"]["person"], run.address)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person, made = run.facts["proof"]["person"], run.kept.get("codes")
        effect = SaveRecoveryCodes(person, tuple(made.open().split()), first=True) if made else use(person, answer["code"])
        if effect is None:
            return Show(errors={"code": _("That is none of your unused codes. Check it, or take another one.")})
        signed_in = run.facts.get("signed_in")
        effects = [effect, *([StepUp(signed_in["session"], METHOD)] if signed_in else [])]
        return Done({"second_factor": {"person": person, "method": METHOD, "at": run.now.isoformat()}}, effects=effects)
