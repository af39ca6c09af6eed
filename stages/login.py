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
        facts = [run.facts[name] for name in ("proof", "second_factor") if name in run.facts]
        proofs = [fact for fact in facts if not fact.get("enrolled")]  # setting a factor up proves nobody
        methods = tuple(fact["method"] for fact in proofs)
        moments = {fact["method"]: fact["at"] for fact in proofs if "at" in fact}
        return Done(effects=[SignIn(run.facts["proof"]["person"], methods, run.session, moments)])
