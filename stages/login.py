"""Signs in whoever was proved."""

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.stage import Done, Outcome, Stage
from idp.accounts.sessions import SignIn


class Login(Stage):
    """Opens a session in this browser for the person who was proved."""

    title = _("Sign in")
    needs = {"person", "proof"}
    gives = {"signed_in"}

    def enter(self, run: Run) -> Outcome:
        proofs = [run.facts[name]["method"] for name in ("proof", "second_factor") if name in run.facts]
        return Done(effects=[SignIn(run.facts["proof"]["person"], tuple(proofs), run.session)])
