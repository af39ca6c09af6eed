"""Help for a person: their sessions, credentials and role, a recovery link, and a reset of second factors."""

from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from blueprints.objects.edit import EditConflict, InvalidObject
from flows.documents.designations import CREDENTIAL_SETUP
from idp.accounts import credentials, recovery
from idp.accounts.listings import SESSIONS
from idp.accounts.people import by_username
from idp.accounts.roles import NotAllowed, require_authority_over, require_may_recover
from idp.devices.listings import DEVICES, STATES
from idp.events.feed import EventFilter, recent_events
from idp.foundation.listing import Listing, ListQuery
from idp.outbox.mail import TooManyMails
from web.administration.changes import save
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage, is_htmx_request, render_page, see_other
from web.console.objects.form_errors import FormProblem
from web.console.objects.lists import object_url
from web.console.requests import ConsoleRequest
from web.console.sentences import describe_event
from web.console.shown_once import clear_one_time_values, read_one_time_values, redirect_with_one_time_values

_MAX_ROWS = 10
_MAX_EVENTS = 15


def person_help(request: ConsoleRequest, key: str) -> HttpResponse:
    """Render the help page of one person."""
    return _render_help(request, _person(key))


def _render_help(request: ConsoleRequest, person: Any, error: str = "") -> HttpResponse:
    """Render the help page; ``error``: why the requested role is not allowed."""
    may = request.may
    filters = {"person": person.username}
    context: dict[str, Any] = {
        "target": person,
        "below": _below(request, person),
        "themselves": person.pk == request.person.pk,
        "credentials_url": reverse(CREDENTIAL_SETUP),
        "sessions": _first_rows(SESSIONS, {**filters, "alive": "yes"}) if may("sessions.see") else None,
        "credentials": credentials.list_credentials(person),
        "devices": _devices(filters) if may("devices.see") else None,
        "events": _events(person.username) if may("events.see") else None,
        "part": is_htmx_request(request, "help"),
        "roles": RESOURCES["people"].choices["role"](),
        "wrong": error,
        "problems": [FormProblem(error, "role", _("Role"))] if error else [],
        "back": reverse("console:person-help", args=[person.username]),
        "person_url": object_url(RESOURCES["people"], person.username),
    }
    template = "console/person_help_parts.html" if context["part"] else "console/person_help.html"
    title = _("Help %(name)s") % {"name": person.display_name}
    return render_page(request, template, title=title, status=400 if error else 200, **context)


def link(request: ConsoleRequest, key: str) -> HttpResponse:
    """Create a recovery link by POST, and redirect to the page that shows it once."""
    person = _person_to_help(request, key)
    about = f"recovery link of {person.pk}"
    if request.method == "POST":
        token = recovery.create_link(person, by=request.person.username)
        values = {"link": request.build_absolute_uri(reverse("recover", args=[token]))}
        return redirect_with_one_time_values(
            request, reverse("console:person-link", args=[person.username]), about, values
        )
    values = read_one_time_values(request, about)
    context = {
        "target": person,
        "link": values.get("link", ""),
        "minutes": int(recovery.LIFETIME.total_seconds()) // 60,
        "person_url": object_url(RESOURCES["people"], person.username),
    }
    page = render_page(
        request,
        "console/person_link.html",
        title=_("Recovery link for %(name)s") % {"name": person.display_name},
        **context,
    )
    return clear_one_time_values(page, about) if values else page


def mail(request: ConsoleRequest, key: str) -> HttpResponse:
    """Send a recovery link to the person's own email address."""
    person = _person_to_help(request, key)
    try:
        recovery.mail_link(person, request.build_absolute_uri("/").rstrip("/"), by=request.person.username)
    except recovery.NoAddress:
        return _back_to_person(
            request,
            person,
            _("%(name)s has no email address. Create a link and share it yourself.")
            % {"name": person.username},
        )
    except TooManyMails as refused:
        return _back_to_person(request, person, str(refused))
    return _back_to_person(
        request, person, _("Recovery link sent to %(address)s.") % {"address": person.mailbox}
    )


def reset(request: ConsoleRequest, key: str) -> HttpResponse:
    """Remove all second factors of the account, after a confirmation."""
    person = _person_to_help(request, key)
    if "sure" not in request.POST:
        context = {
            "target": person,
            "held": credentials.list_credentials(person),
            "person_url": object_url(RESOURCES["people"], person.username),
        }
        return render_page(
            request,
            "console/person_reset.html",
            title=_("Reset second factors of %(name)s") % {"name": person.username},
            **context,
        )
    if credentials.remove_all(person, by=request.person.username):
        return _back_to_person(
            request,
            person,
            _("Second factors reset. They can sign in with their password and set up a new one."),
        )
    return _back_to_person(request, person, _("No second factors to reset."))


def role(request: ConsoleRequest, key: str) -> HttpResponse:
    """Change the role of the person in this console."""
    person = _person(key)
    document = {"person": person.username, "role": request.POST.get("role", "").replace("\0", "")}
    try:
        saved = save(RESOURCES["people"], document, request.person, new=False)
    except InvalidObject as refused:
        return _render_help(
            request, person, " ".join(text for texts in refused.errors.values() for text in texts)
        )
    except EditConflict as moved:
        return _back_to_person(request, person, str(moved))
    return _back_to_person(request, person, _("Role changed.") if saved.keys else _("No changes to save."))


def _person(key: str) -> Any:
    person = by_username(key.replace("\0", ""))
    if person is None:
        raise Http404
    return person


def _person_to_help(request: ConsoleRequest, key: str) -> Any:
    """Return the person; raises NotAllowed unless the signed-in person may help them."""
    person = _person(key)
    require_may_recover(request.person, person)
    return person


def _below(request: ConsoleRequest, person: Any) -> bool:
    try:
        require_authority_over(request.person, person.role)
    except NotAllowed:
        return False
    return True


def _first_rows(listing: Listing, filters: dict[str, str]) -> dict[str, Any]:
    page = listing.page(ListQuery(filters=filters, size=_MAX_ROWS))
    return {"rows": page.rows, "total": page.total, "more": page.has_next}


def _devices(filters: dict[str, str]) -> dict[str, Any]:
    some = _first_rows(DEVICES, filters)
    return {**some, "rows": [{**row, "status": STATES[row["state"]]} for row in some["rows"]]}


def _events(username: str) -> list[dict[str, Any]]:
    """Return the events of the last day that the person caused or that are about them, newest first."""
    return [
        {**row, **describe_event(row)}
        for row in recent_events(EventFilter(person=username), _MAX_EVENTS).rows
    ]


def _back_to_person(request: ConsoleRequest, person: Any, notice: str) -> HttpResponse:
    return see_other(request, reverse("console:person-help", args=[person.username]), notice)


PAGES = (
    ConsolePage("people/help/<path:key>", person_help, "person-help", view_operation="people.see"),
    ConsolePage(
        "people/link/<path:key>",
        link,
        "person-link",
        view_operation="people.help",
        post_operation="people.help",
    ),
    ConsolePage(
        "people/mail/<path:key>", mail, "person-mail", view_operation="", post_operation="people.help"
    ),
    ConsolePage(
        "people/reset/<path:key>", reset, "person-reset", view_operation="", post_operation="people.help"
    ),
    ConsolePage(
        "people/role/<path:key>", role, "person-role", view_operation="", post_operation="people.roles"
    ),
)
