"""The purposes of flows: a table with one row for each."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from flows.settings import Text


@dataclass(frozen=True)
class Designation:
    """A purpose of flows.

    A tenant has at most one live default flow for it, and an application may use its own.

    ``goal``: the fact that every such flow must be able to give; ``address``: where a person starts it, ""
    when only other code does; ``startable``: whether a run may start with it.
    """

    name: str
    title: Text
    goal: str = ""
    address: str = ""
    startable: bool = True


AUTHENTICATION, DEVICE_CODE, LOGOUT, CREDENTIAL_SETUP, SUB_FLOW = (
    "authentication",
    "device_code",
    "logout",
    "credential_setup",
    "part",
)

DESIGNATIONS: dict[str, Designation] = {
    each.name: each
    for each in (
        Designation(AUTHENTICATION, _("Sign-in"), goal="signed_in", address="sign-in"),
        Designation("authorization", _("Application consent"), goal="consent", startable=False),
        Designation(DEVICE_CODE, _("Device sign-in"), goal="consent", address="device"),
        Designation("enrollment", _("Sign-up"), goal="signed_in", address="sign-up"),
        Designation("recovery", _("Account recovery"), goal="signed_in", address="recovery"),
        Designation(LOGOUT, _("Sign-out"), goal="signed_out", address="sign-out"),
        Designation(CREDENTIAL_SETUP, _("Sign-in method setup"), goal="credential", address="credentials"),
        Designation(SUB_FLOW, _("Sub-flow"), startable=False),
    )
}
