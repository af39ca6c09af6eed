"""What all pages of the console share: access control, responses, and the frame around them."""

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

from blueprints.objects.edit import ObjectNotFound
from flows.documents.designations import AUTHENTICATION
from idp.accounts.roles import NotAllowed, may, operations_of, role_titles, roles_by_operation
from web.console.navigation import navigation
from web.console.requests import ConsoleRequest
from web.pages.errors import method_not_allowed

View = Callable[..., HttpResponse]
_NOTICE_COOKIE = "foyer_told"


@dataclass(frozen=True)
class ConsolePage:
    """One address below ``/console/``.

    ``view_operation``: the operation that reading needs (idp/accounts/roles.py), "" if the address only
    accepts POST. ``post_operation``: the operation that a POST needs, "" if it accepts none.
    """

    path: str
    view: View
    name: str
    view_operation: str
    post_operation: str = ""

    @property
    def methods(self) -> list[str]:
        """Return the allowed HTTP methods."""
        return [*(["GET", "HEAD"] if self.view_operation else []), *(["POST"] if self.post_operation else [])]

    def pattern(self) -> URLPattern:
        """Return its URL pattern, with the view behind the access checks."""
        return path(self.path, _guard(self), name=self.name)


def _guard(page: ConsolePage) -> View:
    """Wrap the view of a page in the checks of session, role and method, so that no page can omit them."""

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
        operation = page.post_operation if request.method == "POST" else page.view_operation
        if not may(person, operation):
            return _forbidden(request, operation)
        try:
            return page.view(request, *args, **kwargs)
        except NotAllowed as refused:
            return _forbidden(request, why=str(refused))
        except ObjectNotFound:  # deleted since the page was rendered
            raise Http404 from None

    return guarded


def _sign_in(request: ConsoleRequest) -> HttpResponse:
    """Redirect to the tenant's sign-in, which leads back to this page.

    The response to a POST is a page with status 401 instead: the form stays in this tab while the person
    signs in in another one.
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
    """Render a 403 page within the frame.

    It shows who is signed in, which right is missing, which roles have it, and a link to sign in as another
    person.
    """
    roles = [
        str(title)
        for role, title in role_titles().items()
        if operation and role in roles_by_operation()[operation]
    ]
    back = request.get_full_path() if request.method == "GET" else reverse("console:overview")
    context = {
        "operation": operation,
        "roles": roles,
        "why": why,
        "switch_url": f"{reverse(AUTHENTICATION)}?switch&next={quote(back, safe='/')}",
    }
    return render_page(
        request, "console/forbidden.html", title=_("You don't have access"), status=403, **context
    )


def render_page(
    request: ConsoleRequest, template: str, *, title: Any, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a page inside the frame: navigation, the signed-in person, and a notice of the last action.

    ``title``: the heading. ``part`` and ``belongs_to`` in the context extend the title of the window before
    and after it: which page of the object this is, and what the object belongs to. ``problems``: the errors
    of a form (objects/form_errors.py), shown at the top with links to its fields.
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


def see_other(request: ConsoleRequest, url: str, notice: Any = "") -> HttpResponse:
    """Return a redirect (303) to ``url`` after a change; ``notice`` is shown there once."""
    response = _redirect(request, url)
    if notice:
        response.set_cookie(_NOTICE_COOKIE, quote(str(notice)[:300]), max_age=60)
    return response


def is_htmx_request(request: ConsoleRequest, target: str = "") -> bool:
    """Return whether htmx requests only one part of the page: the element with this id."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Target", "") == target


def _redirect(request: ConsoleRequest, url: str) -> HttpResponse:
    url = iri_to_uri(url) or ""  # user input in it may contain line breaks
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(headers={"HX-Redirect": url})
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response
