"""Creates recovery codes for the signed-in person."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Facts, NewCredential, credential_change_refusal, lacks_second_factor
from flows.run import Run
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import RECOVERY_CODE
from idp.accounts.recovery_codes import SavedForm, SaveRecoveryCodes, new_codes
from idp.foundation.sealing import Sealed


class RecoveryCodeSetup(Stage):
    """Shows ten new recovery codes and saves them once the person confirms that they have stored them.

    Reloading shows the same codes; afterwards they can't be shown again. They replace all earlier codes.
    Everything that the account has must have been verified within the last ten minutes, or the step denies:
    put ``reauthenticate`` before it. Saving codes is not a second factor: the session has one only after a
    code was entered.
    """

    title = _("Save your recovery codes")
    template = "stages/recovery_codes.html"
    needs = {"person", "proof", "signed_in"}
    gives = {"credential"}

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        return SavedForm(data)

    def enter(self, run: Run) -> Outcome:
        if refusal := credential_change_refusal(run.facts, run.now):
            return Deny(refusal)
        return Show(step_state={"codes": Sealed.of(" ".join(new_codes()))})

    def context(self, run: Run) -> Mapping[str, Any]:
        return {"codes": run.step_state["codes"].open().split()} if "codes" in run.step_state else {}

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        if "codes" not in run.step_state:
            return Show()
        person, codes = run.facts.signed_in.person, tuple(run.step_state["codes"].open().split())
        return Done(
            Facts(credential=NewCredential(person, RECOVERY_CODE, run.now)),
            effects=[SaveRecoveryCodes(person, codes, first=lacks_second_factor(run.facts))],
        )
