"""Asks the signed-in person to prove themselves again."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import Facts, Proof, proof_times
from flows.run import Run
from flows.settings import Duration, StageSettings, setting
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts import reauthentication
from idp.accounts.credentials import has_second_factor
from idp.accounts.reauthentication import CANNOT_REAUTHENTICATE, CODE_METHOD, PASSWORD_METHOD
from idp.accounts.sessions import ProvedAgain
from idp.ratelimit.budgets import Spend


class Reauthenticate(Stage):
    """Asks people to confirm who they are if they last did longer than ``max_age`` ago; ``0s`` always asks.

    ``factors: all`` asks for everything that the account has: the password, and a code of the authenticator
    app or a recovery code where one is set up. ``factors: any`` accepts one of them. People who have nothing
    to confirm with are denied. Afterwards the session counts as newly signed in, so that no step asks again
    within ``max_age``.
    """

    title = _("Confirm it's you")
    description = _("Verify your identity to continue.")
    needs = {"person", "signed_in"}
    gives = {"proof", "second_factor", "signed_in"}
    method = "pwd"
    never_skipped = True

    class Settings(StageSettings):
        max_age: Duration = setting(timedelta(minutes=10), title=_("Maximum age of the last verification"))
        factors: Literal["all", "any"] = setting(
            "all", title=_("Ask for all sign-in methods of the account, or any one")
        )

    Form = reauthentication.ReauthenticationForm  # type: ignore[assignment]  # a nested class of the base

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        return reauthentication.ReauthenticationForm(int(run.signed_in or 0), self._fields(run) or (), data)

    def enter(self, run: Run) -> Outcome:
        fields = self._fields(run)
        if fields is None:
            return Deny(CANNOT_REAUTHENTICATE)
        return Show() if fields else Done()

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return reauthentication.budgets(
            run.person, run.facts.signed_in.session or 0, run.address, run.known_browser, answer
        )

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person, session = int(run.signed_in or 0), run.facts.signed_in.session
        if not self._fields(run):  # the sign-in methods were removed since the page was shown
            return self.enter(run)
        verification = reauthentication.check_answer(run.person, person, answer, run.now)
        if verification.errors:
            return Show(errors=verification.errors)
        proofs = {method: Proof(person, method, run.now) for method in verification.methods}
        is_first = PASSWORD_METHOD in proofs or not (run.person and run.person.password)
        return Done(
            Facts(
                proof=proofs[verification.methods[0]] if is_first else None,
                second_factor=proofs.get(CODE_METHOD),
            ),
            effects=[
                *verification.effects,
                *(ProvedAgain(session, person, method) for method in verification.methods),
            ],
        )

    def assumed_facts(self, run: Run) -> Facts:
        """Return the assumed facts; a second factor only for a person who has one."""
        facts = super().assumed_facts(run)
        shown = self.settings.factors == "all" and has_second_factor(int(run.signed_in or 0))
        return facts if shown else facts.without("second_factor")

    def _fields(self, run: Run) -> tuple[str, ...] | None:
        """Return the fields that are asked for now; None where there is nothing to ask for."""
        everything = self.settings.factors == "all"
        return reauthentication.required_fields(
            int(run.signed_in or 0),
            proof_times(run.facts),
            run.now,
            max_age=self.settings.max_age,
            all_factors=everything,
        )
