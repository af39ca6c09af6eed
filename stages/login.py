"""Signs in the person who was proved."""

from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from pydantic import field_validator

from flows.run import Run
from flows.settings import Duration, StageSettings, format_duration, setting
from flows.stage import Done, Outcome, Stage
from idp.accounts.sessions import SignIn

MIN_LIFETIME = timedelta(minutes=1)  # with less, the session could end before the next step
MAX_LIFETIME = timedelta(seconds=settings.SESSION_LIFETIME)


class Login(Stage):
    """Signs the person in on this browser."""

    title = _("Sign in")
    needs = {"person", "proof"}
    gives = {"signed_in"}

    class Settings(StageSettings):
        session_lifetime: Duration = setting(
            MAX_LIFETIME, title=_("Session lifetime, up to the maximum of the installation")
        )

        @field_validator("session_lifetime")
        @classmethod
        def _check_lifetime(cls, value: timedelta) -> timedelta:
            if not MIN_LIFETIME <= value <= MAX_LIFETIME:
                shortest, longest = format_duration(MIN_LIFETIME), format_duration(MAX_LIFETIME)
                raise ValueError(f"a session must last from {shortest} to {longest}")
            return value

    def enter(self, run: Run) -> Outcome:
        facts = run.facts
        proofs = [facts.proof, *([facts.second_factor] if "second_factor" in facts else [])]
        proofs = [proof for proof in proofs if not proof.enrolled]  # setting a factor up proves no one
        methods = tuple(proof.method for proof in proofs)
        moments = {proof.method: proof.at.isoformat() for proof in proofs}
        chosen = self.settings.session_lifetime
        lifetime = int(chosen.total_seconds()) if chosen < MAX_LIFETIME else None
        return Done(effects=[SignIn(facts.proof.person, methods, run.session, moments, lifetime)])
