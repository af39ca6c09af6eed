"""The pages of a run: start it at ``/device``, show it, answer it."""

from typing import Any
from urllib.parse import quote, urlsplit

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt

from flows.documents.designations import CREDENTIAL_SETUP, LOGOUT
from flows.engine import executor, starting
from flows.engine.executor import Answer
from flows.engine.page import RunPage
from flows.engine.run_limits import TooManyRuns
from flows.engine.starting import NoFlow
from idp.foundation.sealing import Sealed
from web.middleware.browser import BrowserRequest
from web.pages.errors import allow_methods, render_engine_errors
from web.pages.reauthentication import see_other
from web.pages.rendering import round_up_to_minute


@allow_methods("GET", "HEAD", "POST")
@render_engine_errors
def begin(request: BrowserRequest, designation: str) -> HttpResponse:
    """Start the tenant's flow for this purpose.

    ``/device`` is the ``verification_uri``. Its ``user_code`` prefills the form and submits nothing. A POST
    with the site's own token also executes what the first steps would do, so that a person need not press a
    second button with the same label.
    """
    if _is_embedded_by_other_site(request):
        return HttpResponse(status=403, content_type="text/plain")
    hints: dict[str, Any] = {"again": reverse(designation)}
    if (next_path := request.GET.get("next", "")) and _is_own_path(next_path):
        hints["next"] = next_path
    if user_code := request.GET.get("user_code", "")[:64].replace("\0", ""):
        hints["user_code"] = Sealed.of(user_code)
    browser, posted = request.browser, request.method == "POST"
    try:
        run = starting.start(
            designation, browser, hints=hints, ignore_session="switch" in request.GET, may_write=posted
        )
    except (NoFlow, TooManyRuns):
        if designation != LOGOUT or not posted:
            raise
        # without a flow for it, or with too many runs from the network, a person can still sign out
        browser.sign_out()
        return see_other(reverse("home"))
    return see_other(reverse("flow", args=[run]))


@allow_methods("GET", "HEAD")
def redirect_to_canonical(request: BrowserRequest, designation: str) -> HttpResponse:
    """Redirect ``/Device/`` to ``/device`` and keep the query string.

    A ``user_code`` in it need not be typed again.
    """
    query = request.META.get("QUERY_STRING", "")
    return see_other(reverse(designation) + (f"?{query}" if query else ""))


@csrf_exempt  # the engine checks its own token, see flow()
@allow_methods("POST")
@render_engine_errors
def restart(request: BrowserRequest, run: str) -> HttpResponse:
    """Start a run's flow again, with what is known of the person (``keep``) or from scratch."""
    again = starting.restart(
        run, request.browser, request.POST.get("token", ""), keep_facts="keep" in request.POST
    )
    return see_other(reverse("flow", args=[again]))


@csrf_exempt  # the engine checks its own token, which stays valid after a sign-in in another tab
@allow_methods("GET", "HEAD", "POST")
@render_engine_errors
def flow(request: BrowserRequest, run: str) -> HttpResponse:
    """Show a run's current question by GET, and submit an answer by POST."""
    browser = request.browser
    if request.method != "POST":
        return render_run(request, executor.get_page(run, browser))
    answer = Answer(request.POST.get("step", ""), request.POST.get("token", ""), _fields(request.POST))
    page = executor.submit_answer(run, browser, answer)
    if page.kind in ("leave", "finished"):
        return _leave(request, page)
    if page.message or (page.form and page.form.errors):
        return render_run(request, page)
    return see_other(reverse("flow", args=[run]))


def _is_embedded_by_other_site(request: BrowserRequest) -> bool:
    """Return whether another site's page requests this in the background, such as for an image or a frame.

    A run for each of these requests would let any page exhaust the limits of its visitors' networks (Fetch
    Metadata: ``Sec-Fetch-Site``, ``Sec-Fetch-Dest``).
    """
    site, into = request.headers.get("Sec-Fetch-Site", ""), request.headers.get("Sec-Fetch-Dest", "")
    return site in ("cross-site", "same-site") and into != "document"


def _is_own_path(url: str) -> bool:
    """Return whether a URL is a path of this site.

    A link must not lead from sign-in to another site.
    """
    return (
        len(url) < 2000
        and url.startswith("/")
        and url.isprintable()
        and url_has_allowed_host_and_scheme(url, allowed_hosts=None)
    )


def _fields(posted: QueryDict) -> QueryDict:
    """Return the posted values without NUL, which no database column accepts."""
    cleaned = QueryDict(mutable=True)
    for name, values in posted.lists():
        cleaned.setlist(name, [value.replace("\0", "") for value in values])
    return cleaned


def render_run(request: BrowserRequest, page: RunPage) -> HttpResponse:
    """Return a run's page as HTML."""
    if page.kind in ("leave", "finished"):
        return _leave(request, page)
    context = {
        **page.context,
        "title": page.title,
        "message": page.message,
        "kind": page.kind,
        "again_url": page.again,
    }
    if page.kind not in ("ask", "continue", "last"):
        return render(
            request,
            "pages/flow/ended.html",
            context
            | {"restart": page.restart, "restart_url": reverse("restart", args=[page.run])}
            | _set_up_link(page),
        )
    fields = {
        name: getattr(page, name)
        for name in ("description", "form", "token", "step", "stage", "submit", "message_kind", "person")
    }
    switch = f"{page.again}?switch" if page.again and page.person and page.kind == "ask" else ""
    context |= fields | {
        "action": reverse("flow", args=[page.run]),
        "switch_url": switch,
        "ended": page.kind == "last",
    }
    context["retry_at"] = page.retry_at and round_up_to_minute(page.retry_at)
    response = render(request, page.template, context, status=429 if page.retry_at else 200)
    if page.retry_at:
        response["Retry-After"] = str(max(1, int((page.retry_at - timezone.now()).total_seconds()) + 1))
    return response


def _set_up_link(page: RunPage) -> dict[str, str]:
    """Return the link where the person sets up what they lack and from there returns to the beginning."""
    back = f"?next={quote(page.again)}" if page.again else ""
    return {"set_up": page.set_up, "set_up_url": reverse(CREDENTIAL_SETUP) + back} if page.set_up else {}


def _leave(request: BrowserRequest, page: RunPage) -> HttpResponse:
    """Return the redirect after a completed run.

    Another site is reached from a page, because browsers apply ``form-action`` to the redirects after a form.
    """
    if page.url.startswith("http"):
        return render(request, "pages/flow/leave.html", {"url": page.url, "host": urlsplit(page.url).netloc})
    return see_other(page.url or page.next or reverse("home"))
