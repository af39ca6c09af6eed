"""Makes recovery codes for whoever is signed in."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import RECOVERY_CODE, guarded
from idp.accounts.recovery_codes import METHOD, SavedForm, SaveRecoveryCodes, new_codes
from idp.accounts.sessions import StepUp
from idp.sealing import Sealed


class RecoveryCodeSetup(Stage):
    """Shows ten new recovery codes, and stores them once the person says that they have saved them.

    Reloading shows the same ones; afterwards nobody can read them any more. They replace all earlier ones. Whoever holds a
    second factor already must have shown it, or set it up, in this flow or for this session: let ``totp`` with
    ``missing: skip``, or ``recovery_code``, come before. The session then counts as signed in with a second factor.
    """

    title = _("Save your recovery codes")
    template = "stages/recovery_codes.html"
    needs = {"person", "proof", "signed_in"}
    gives = {"credential"}

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        return SavedForm(data)

    def enter(self, run: Run) -> Outcome:
        if _first(run) and guarded(run.facts["signed_in"]["person"]):
            return Deny(_("To change how you sign in, first prove yourself with your authenticator app or a recovery code."))
        return Show(keep={"codes": Sealed.of(" ".join(new_codes()))})

    def context(self, run: Run) -> Mapping[str, Any]:
        return {"codes": run.kept["codes"].open().split()} if "codes" in run.kept else {}

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        if "codes" not in run.kept:
            return Show()
        person, codes = run.facts["signed_in"]["person"], tuple(run.kept["codes"].open().split())
        effects = [SaveRecoveryCodes(person, codes, first=_first(run)), StepUp(run.facts["signed_in"]["session"], METHOD)]
        return Done({"credential": {"person": person, "kind": RECOVERY_CODE}}, effects=effects)


def _first(run: Run) -> bool:
    """No second factor was shown: these may only be the person's first one."""
    return not {"second_factor", "credential"} & set(run.facts)
