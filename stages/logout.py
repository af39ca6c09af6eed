"""Signs out the person who is signed in."""

from django.utils.translation import gettext_lazy as _

from flows.facts import Facts, SignedOut
from flows.run import Run
from flows.stage import Done, Outcome, Stage
from idp.accounts.sessions import SignOut


class Logout(Stage):
    """Signs the person out on this browser, at once and in every tab.

    As the first step of a flow it asks for confirmation, so that opening a link can't sign anyone out. It is
    skipped when no one is signed in.
    """

    title = _("Sign out?")
    description = _("You will be signed out of this browser.")
    submit_label = _("Sign out")
    gives = {"signed_out"}

    def enter(self, run: Run) -> Outcome:
        if run.session is None:
            return Done()
        return Done(Facts(signed_out=SignedOut(run.session)), effects=[SignOut(run.session)])
