"""The first steps of an empty installation.

What is done is read from the data; nothing is stored about it.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from blueprints.objects import edit
from flows.documents.designations import CREDENTIAL_SETUP
from idp.accounts import credentials
from idp.devices.listings import DEVICES
from idp.foundation.listing import ListQuery
from idp.oauth.listings import APPLICATIONS
from idp.tenancy.hosts import host_name
from idp.tenancy.scope import current_tenant
from web.console.frame import ConsolePage, render_page, see_other
from web.console.requests import ConsoleRequest

_DISMISSED_COOKIE = "foyer_first_steps"
_A_YEAR = 365 * 24 * 3600
_LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}
_SHIPPED_TITLE, _SHIPPED_APPLICATION = "Foyer", "demo-device"


# Title, reason and button text.
_STEP_TEXTS = {
    "look": (
        _lazy("Add your name and color"),
        _lazy("Show people where they are signing in. A name and a color are enough; add a logo later."),
        _lazy("Add branding"),
    ),
    "domain": (
        _lazy("Choose a domain"),
        _lazy("Devices show it to people. localhost is fine for trying it out."),
        _lazy("Set up domain"),
    ),
    "factor": (
        _lazy("Protect your own account"),
        _lazy("Your password alone protects everything here. Add an authenticator app."),
        _lazy("Set up a second factor"),
    ),
    "application": (
        _lazy("Add your first application"),
        _lazy(
            "A TV, a command-line tool, a kiosk or a service: answer three questions and copy working code."
        ),
        _lazy("Choose a template"),
    ),
    "device": (
        _lazy("Connect your first device"),
        _lazy("The playground simulates a device, so you see what your devices and your users will see."),
        _lazy("Open playground"),
    ),
}


@dataclass(frozen=True)
class SetupStep:
    """One of the first steps.

    ``optional``: not needed for an evaluation on one's own machine.
    """

    name: str
    title: Any
    why: Any
    button: Any
    url: str
    done: bool
    optional: bool = False


@dataclass(frozen=True)
class Progress:
    """How many of the first steps are done, and which one is next."""

    steps: tuple[SetupStep, ...]

    @property
    def next_step(self) -> SetupStep | None:
        """Return the first required step that is not done; None once all of them are."""
        open_ = [step for step in self.steps if not step.done]
        return next((step for step in open_ if not step.optional), None)

    @property
    def done(self) -> int:
        """Return how many steps are done."""
        return sum(step.done for step in self.steps)


def progress(request: ConsoleRequest) -> Progress:
    """Return what is done already and what is next, with a few database queries."""
    branding, back = reverse("console:branding"), quote(reverse("console:first-steps"))
    states = {
        "look": (branding, _has_branding()),
        "domain": (f"{branding}#domains", _has_a_domain(request)),
        "factor": (
            f"{reverse(CREDENTIAL_SETUP)}?next={back}",
            bool(credentials.list_credentials(request.person)),
        ),
        "application": (reverse("console:application-new"), _has_an_application()),
        "device": (reverse("console:playground"), DEVICES.exists(state="redeemed")),
    }
    return Progress(
        tuple(
            SetupStep(name, *_STEP_TEXTS[name], *states[name], optional=name == "domain")
            for name in _STEP_TEXTS
        )
    )


def overview_card(request: ConsoleRequest) -> Progress | None:
    """Return the progress for the overview.

    None once the required steps are done, if the card is dismissed, or for a role that cannot do them.
    """
    may = all(request.may(operation) for operation in ("branding.edit", "applications.edit"))
    if not may or request.COOKIES.get(_DISMISSED_COOKIE):
        return None
    current = progress(request)
    return current if current.next_step else None


def first_steps(request: ConsoleRequest) -> HttpResponse:
    """Render all steps, with the next one open."""
    return render_page(
        request,
        "console/first_steps.html",
        title=_("Get started"),
        progress=progress(request),
        dismissed=bool(request.COOKIES.get(_DISMISSED_COOKIE)),
    )


def dismiss(request: ConsoleRequest) -> HttpResponse:
    """Hide the card in this browser, or show it again."""
    if "again" in request.POST:
        response = see_other(request, reverse("console:first-steps"))
        response.delete_cookie(_DISMISSED_COOKIE)
        return response
    response = see_other(
        request,
        reverse("console:overview"),
        _("Dismissed. You can find these steps again at /console/first-steps/."),
    )
    response.set_cookie(_DISMISSED_COOKIE, "1", max_age=_A_YEAR)
    return response


def _has_branding() -> bool:
    tenant = current_tenant()
    return (
        tenant.title != _SHIPPED_TITLE
        or bool(tenant.logo)
        or tenant.accent != edit.blank_document("tenant")["accent"]
    )


def _has_an_application() -> bool:
    return any(row["client_id"] != _SHIPPED_APPLICATION for row in APPLICATIONS.page(ListQuery(size=2)).rows)


def _has_a_domain(request: ConsoleRequest) -> bool:
    known = edit.load("tenant", current_tenant().name)
    return host_name(request.get_host()) not in _LOCAL_HOSTS or bool(known and known.document["domains"])


PAGES = (
    ConsolePage("first-steps/", first_steps, "first-steps", view_operation="applications.edit"),
    ConsolePage(
        "first-steps/dismiss",
        dismiss,
        "first-steps-dismiss",
        view_operation="",
        post_operation="overview.see",
    ),
)
