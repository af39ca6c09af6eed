"""What every page of the console has in common: who may see it, how it is answered, and the frame
around it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote, unquote

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

from blueprints.objects.edit import NotThere
from flows.documents.designations import AUTHENTICATION
from idp.accounts.roles import NotAllowed, allowed, may, operations_of, role_titles
from web.console.navigation import navigation
from web.console.requests import ConsoleRequest
from web.pages.errors import method_not_allowed

View = Callable[..., HttpResponse]
_NOTICE_COOKIE = "foyer_told"


@dataclass(frozen=True)
class Page:
    """One address below ``/console/``.

    ``see``: the operation that reading it needs (idp/accounts/roles.py); ``do``: the one that posting to it
    needs, "" where nothing is posted; ``see`` "" where it is only posted to.
    """

    path: str
    view: View
    name: str
    see: str
    do: str = ""

    @property
    def methods(self) -> list[str]:
        """What may be sent to it."""
        return [*(["GET", "HEAD"] if self.see else []), *(["POST"] if self.do else [])]

    def pattern(self) -> URLPattern:
        """Its address, behind the door."""
        return path(self.path, _guard(self), name=self.name)


def _guard(page: Page) -> View:
    """Session, role and method are looked at here, so that no page can forget one."""

    @wraps(page.view)
    def guarded(request: ConsoleRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in page.methods:
            return method_not_allowed(request, *page.methods)
        session = request.browser.session
        if session is None:
            return _sign_in(request)
        person = session.person
        request.person = person
        request.may = lambda operation: may(person, operation)
        operation = page.do if request.method == "POST" else page.see
        if not may(person, operation):
            return _forbidden(request, operation)
        try:
            return page.view(request, *args, **kwargs)
        except NotAllowed as refused:
            return _forbidden(request, why=str(refused))
        except NotThere:  # it was a moment ago
            raise Http404 from None

    return guarded


def _sign_in(request: ConsoleRequest) -> HttpResponse:
    """To the tenant's sign-in and back to here.

    What was posted is not lost: the form stays in the tab while one signs in in another.
    """
    if request.method != "POST":
        return _redirect(
            request, f"{reverse(AUTHENTICATION)}?next={quote(request.get_full_path(), safe='/')}"
        )
    message = _("Your session expired. Sign in again in another tab, then go back and resubmit this form.")
    context = {
        "title": _("You have been signed out"),
        "message": message,
        "sign_in_url": reverse(AUTHENTICATION),
    }
    return render(request, "console/signed_out.html", context, status=401)


def _forbidden(request: ConsoleRequest, operation: str = "", why: str = "") -> HttpResponse:
    """Answer 403 within the frame: who is signed in, which right is missing and which roles have it, and the
    way to sign in as another.
    """
    roles = [
        str(title) for role, title in role_titles().items() if operation and role in allowed()[operation]
    ]
    back = request.get_full_path() if request.method == "GET" else reverse("console:overview")
    context = {
        "operation": operation,
        "roles": roles,
        "why": why,
        "switch_url": f"{reverse(AUTHENTICATION)}?switch&next={quote(back, safe='/')}",
    }
    return show(request, "console/forbidden.html", title=_("You don't have access"), status=403, **context)


def show(
    request: ConsoleRequest, template: str, *, title: Any, status: int = 200, **context: Any
) -> HttpResponse:
    """Answer with a page inside the frame: navigation, who is signed in, and a notice of what has just
    happened.

    ``title``: the heading; ``part`` and ``belongs_to`` in the context say more in the title of the window,
    before it and behind it: which page of the thing this is, and to what it belongs. ``problems``: what is
    wrong with a form (objects/form_errors.py), told at the top with links to its fields.
    """
    person = request.person
    operations = frozenset(operations_of(person))
    notice = unquote(request.COOKIES.get(_NOTICE_COOKIE, ""))[:300]
    frame = {
        "title": title,
        "person": person,
        "may": operations,
        "navigation": navigation(operations, request.path),
        "notice": notice,
    }
    frame["failed"] = status >= 400
    response = render(request, template, {**frame, **context}, status=status)
    if notice:
        response.delete_cookie(_NOTICE_COOKIE)
    return response


def see(request: ConsoleRequest, url: str, notice: Any = "") -> HttpResponse:
    """303 to ``url`` after something was done; ``told`` is shown there once."""
    response = _redirect(request, url)
    if notice:
        response.set_cookie(_NOTICE_COOKIE, quote(str(notice)[:300]), max_age=60)
    return response


def by_htmx(request: ConsoleRequest, target: str = "") -> bool:
    """Whether only a part of the page is asked for: the one with this id."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Target", "") == target


def _redirect(request: ConsoleRequest, url: str) -> HttpResponse:
    url = iri_to_uri(url) or ""  # what was typed may be part of it, and a header has one line
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(headers={"HX-Redirect": url})
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response
