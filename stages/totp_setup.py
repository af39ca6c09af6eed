"""Sets up an authenticator app for whoever is signed in."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts.credentials import TOTP, guarded
from idp.accounts.guard import second_factor_budgets
from idp.accounts.sessions import StepUp
from idp.accounts.totp import METHOD, WRONG, CodeField, SaveTotp, enrolment, matched, new_secret
from idp.ratelimit.budgets import Spend
from idp.sealing import Sealed


class TotpSetup(Stage):
    """Shows a new authenticator secret as a QR code and as text, and stores it once a code proves that the app has it.

    An app that the person had goes on working until then, and is replaced. Whoever holds a second factor already must have
    shown it, in this flow or for this session: let ``totp`` with ``missing: skip``, or ``recovery_code``, come before. The
    session then counts as signed in with a second factor.
    """

    title = _("Set up your authenticator app")
    template = "stages/authenticator.html"
    needs = {"person", "proof", "signed_in"}
    gives = {"credential"}

    class Form(forms.Form):
        code = CodeField()

    def enter(self, run: Run) -> Outcome:
        if _first(run) and guarded(run.facts["signed_in"]["person"]):
            return Deny(_("To change how you sign in, first prove yourself with your authenticator app or a recovery code."))
        return Show(keep={"secret": Sealed.of(new_secret())})

    def context(self, run: Run) -> Mapping[str, Any]:
        return enrolment(run.kept["secret"].open(), run.person.username) if run.person and "secret" in run.kept else {}

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return second_factor_budgets(run.facts["signed_in"]["person"], run.address)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person, session = run.facts["signed_in"]["person"], run.facts["signed_in"]["session"]
        secret = run.kept["secret"].open() if "secret" in run.kept else new_secret()
        step = matched(secret, answer["code"], run.now)
        if step is None:
            return Show(errors={"code": WRONG})
        effects = [SaveTotp(person, secret, step, first=_first(run)), StepUp(session, METHOD)]
        return Done({"credential": {"person": person, "kind": TOTP}}, effects=effects)


def _first(run: Run) -> bool:
    """No second factor was shown: this may only be the person's first one."""
    return not {"second_factor", "credential"} & set(run.facts)
