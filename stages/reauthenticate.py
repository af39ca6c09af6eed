"""Asks whoever is signed in to prove themselves again."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.settings import Duration, StageSettings, setting
from flows.stage import Deny, Done, Outcome, Show, Stage
from idp.accounts import totp
from idp.accounts.credentials import PASSWORD, TOTP, check_password, kinds_of
from idp.accounts.guard import password_budgets, second_factor_budgets
from idp.accounts.sessions import ProvedAgain
from idp.ratelimit.budgets import Spend


class Reauthenticate(Stage):
    """Asks for the password again when the last proof is older than ``max_age``; ``0s`` asks always.

    Somebody without a password gives a code of their authenticator app; somebody with neither is refused. The session's own
    time of signing in moves on, so that for ``max_age`` nothing asks again.
    """

    title = _("Is it still you?")
    description = _("Before you go on, prove yourself once more.")
    needs = {"person", "signed_in"}
    gives = {"proof", "signed_in"}
    method = "pwd"
    asks_anew = True

    class Settings(StageSettings):
        max_age: Duration = setting(timedelta(minutes=10), title=_("How old a proof may be before it is asked for again"))

    class Form(forms.Form):
        password = forms.CharField(
            label=_("Password"), max_length=1000, strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
        )
        code = totp.CodeField(label=_("Code of your authenticator app"))

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        form = super().form(run, data)
        del form.fields["code" if PASSWORD in kinds_of(run.signed_in) else "password"]
        return form

    def enter(self, run: Run) -> Outcome:
        proof = run.facts.get("proof")
        if proof and run.now - datetime.fromisoformat(proof["at"]) < self.settings.max_age:
            return Done()
        if {PASSWORD, TOTP} & set(kinds_of(run.signed_in)):
            return Show()
        return Deny(_("Your account has nothing that could be asked for again. Sign out and sign in once more."))

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        if "code" in answer:
            return second_factor_budgets(int(run.signed_in or 0), run.address)
        return password_budgets(run.claimed_name, run.address)

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        person, method, effects = int(run.signed_in or 0), self.method, list[Any]()
        if "code" in answer:
            used, method = totp.use(person, answer["code"], run.now), totp.METHOD
            proved, effects = used is not None, [used]
        else:
            proved = check_password(run.person, answer["password"]).correct
        if not proved:
            return Show(errors={next(iter(answer)): _("That does not match. Check it, and try again.")})
        effects = [*effects, ProvedAgain(run.facts["signed_in"]["session"], person, method)]
        return Done({"proof": {"person": person, "method": method, "at": run.now.isoformat()}}, effects=effects)
