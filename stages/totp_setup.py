"""Sets up an authenticator app for the signed-in person."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Facts, NewCredential, credential_change_refusal, lacks_second_factor
from flows.run import Run
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import TOTP
from idp.accounts.throttling import second_factor_budgets
from idp.accounts.totp import INCORRECT_CODE, CodeField, SaveTotp, enrollment, match_step, new_secret
from idp.foundation.sealing import Sealed
from idp.ratelimit.budgets import Spend


class TotpSetup(Stage):
    """Shows a new authenticator secret as a QR code and as text, and saves it once a code confirms it.

    An existing app keeps working until then and is replaced. Everything that the account has must have been
    verified within the last ten minutes, or the step denies: put ``reauthenticate`` before it. Setting up is
    not a second factor: the session has one only after a code of the new app was entered.
    """

    title = _("Set up your authenticator app")
    template = "stages/authenticator.html"
    needs = {"person", "proof", "signed_in"}
    gives = {"credential"}

    class Form(forms.Form):
        code = CodeField()

    def enter(self, run: Run) -> Outcome:
        if refusal := credential_change_refusal(run.facts, run.now):
            return Deny(refusal)
        return Show(step_state={"secret": Sealed.of(new_secret())})

    def context(self, run: Run) -> Mapping[str, Any]:
        return (
            enrollment(run.step_state["secret"].open(), run.person.username)
            if run.person and "secret" in run.step_state
            else {}
        )

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return second_factor_budgets(run.person, run.address, run.known_browser)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person = run.facts.signed_in.person
        secret = run.step_state["secret"].open() if "secret" in run.step_state else new_secret()
        step = match_step(secret, answer["code"], run.now)
        if step is None:
            return Show(errors={"code": INCORRECT_CODE})
        return Done(
            Facts(credential=NewCredential(person, TOTP, run.now)),
            effects=[SaveTotp(person, secret, step, first=lacks_second_factor(run.facts))],
        )
