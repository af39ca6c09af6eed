"""Signs out whoever is signed in."""

from django.utils.translation import gettext_lazy as _

from flows.run import Run
from flows.stage import Done, Outcome, Stage
from idp.accounts.sessions import SignOut


class Logout(Stage):
    """Ends this browser's session, at once and on every node, for every tab of it.

    As the first step of a flow it asks once, with a button: opening an address signs nobody out. Nobody
    signed in: it is passed.
    """

    title = _("Sign out?")
    description = _("You will be signed out in this browser.")
    submit_label = _("Sign out")
    gives = {"signed_out"}

    def enter(self, run: Run) -> Outcome:
        if run.session is None:
            return Done()
        return Done({"signed_out": {"session": run.session}}, effects=[SignOut(run.session)])
