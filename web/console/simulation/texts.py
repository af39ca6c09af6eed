"""The texts for what a dry run reports: decisions, results, facts and effects."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy

from flows.simulation.simulate import StepReport
from idp.accounts.credentials import PASSWORD, RECOVERY_CODE, TOTP
from web.console.plain_values import format_value

KINDS = (
    (PASSWORD, gettext_lazy("Password")),
    (TOTP, gettext_lazy("Authenticator app")),
    (RECOVERY_CODE, gettext_lazy("Recovery codes")),
)


METHODS = (
    ("pwd", gettext_lazy("Password")),
    ("otp", gettext_lazy("One-time code")),
    ("hwk", gettext_lazy("Security key")),
)


DECISIONS = {
    "done": ("good", gettext_lazy("Passed")),
    "asks": ("here", gettext_lazy("Waiting for input")),
    "passed over": ("over", gettext_lazy("Skipped")),
    "known before": ("good", gettext_lazy("Already done in this session")),
    "entered": ("good", gettext_lazy("Entered")),
    "refused": ("bad", gettext_lazy("Denied – flow continues")),
    "denied": ("bad", gettext_lazy("Denied – flow ends")),
    "leaves": ("good", gettext_lazy("Redirects the browser")),
    "ends": ("good", gettext_lazy("Shows the last page")),
}


ENDINGS = {
    "finished": ("ok", gettext_lazy("Flow completed.")),
    "asks": ("warn", gettext_lazy("Waiting for input at")),
    "denied": ("bad", gettext_lazy("Flow denied at")),
    "leaves": ("ok", gettext_lazy("Flow ended with a redirect at")),
    "broken": (
        "bad",
        gettext_lazy("Flow error. Users would see an error page."),
    ),
}


FACTS = {
    "person": gettext_lazy("identified"),
    "proof": gettext_lazy("authenticated"),
    "second_factor": gettext_lazy("second factor verified"),
    "signed_in": gettext_lazy("signed in"),
    "request": gettext_lazy("device request"),
    "consent": gettext_lazy("consent given"),
    "credential": gettext_lazy("sign-in method set up"),
    "signed_out": gettext_lazy("signed out"),
}


EFFECTS = {
    "SignIn": gettext_lazy("Signs the person in"),
    "SignOut": gettext_lazy("Ends the session"),
    "StepUp": gettext_lazy("Records the second factor in the session"),
    "ProvedAgain": gettext_lazy("Records the new authentication in the session"),
    "ApproveDevice": gettext_lazy("Connects the device"),
    "DenyDevice": gettext_lazy("Denies the device"),
    "NoteEntry": gettext_lazy("Records that the code was entered"),
    "UpgradeHash": gettext_lazy("Upgrades the password hash"),
    "SaveTotp": gettext_lazy("Saves the authenticator app"),
    "SaveRecoveryCodes": gettext_lazy("Saves the recovery codes"),
    "UseRecoveryCode": gettext_lazy("Uses up a recovery code"),
    "KeepAttributes": gettext_lazy("Saves the answers to the person's attributes"),
}


ROW_KEYS = ("effect", "person", "session", "device", "credential")  # row IDs mean nothing to the reader


def report_context(report: StepReport) -> dict[str, Any]:
    mark, decision = DECISIONS.get(report.decision, ("bad", report.decision))
    read = (report.condition or {}).get("values", {})
    return {
        "mark": mark,
        "decision": decision,
        "report": report,
        "values": [(name, format_value(value)) for name, value in read.items()],
        "learned": [FACTS.get(name, name) for name in report.learned],
        "effects": [effect(each) for each in report.effects],
    }


def effect(effect: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
    name = str(effect["effect"])
    members = [
        (key, format_value(value))
        for key, value in effect.items()
        if key not in ROW_KEYS and value not in (None, "", (), [])
    ]
    return EFFECTS.get(name, name), members
