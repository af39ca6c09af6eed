"""Recent proof for pages on which a person changes how they sign in.

These pages open once the person has verified all credentials of their account within ten minutes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from flows.documents.designations import AUTHENTICATION
from flows.facts import proof_times, session_facts
from idp.accounts import reauthentication
from idp.accounts.sessions import ProvedAgain
from idp.foundation.effects import EffectConflict
from idp.ratelimit.budgets import Exhausted, charge, refund
from web.middleware.browser import BrowserRequest
from web.pages.rendering import round_up_to_minute

View = Callable[..., HttpResponse]


def require_recent_proof(view: View) -> View:
    """Ask for missing proofs at the page's own URL before the view is called.

    A person who is not signed in signs in first and is then redirected back to the page.
    """

    @wraps(view)
    def protected(request: BrowserRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        session = request.browser.session
        if session is None:
            return redirect(f"{reverse(AUTHENTICATION)}?next={quote(request.path)}")
        missing = reauthentication.required_fields(
            session.person_id, proof_times(session_facts(session)), timezone.now()
        )
        if missing == ():
            return view(request, *args, **kwargs)
        if missing is None:
            texts = {"title": _("Confirm it's you"), "message": reauthentication.CANNOT_REAUTHENTICATE}
            return render(
                request,
                "pages/message.html",
                {**texts, "link_url": reverse("home"), "link_text": _("Back")},
                status=403,
            )
        return _ask_for_proof(request, session, missing)

    return protected


def _ask_for_proof(request: BrowserRequest, session: Any, missing: tuple[str, ...]) -> HttpResponse:
    submitted = request.method == "POST" and any(name in request.POST for name in missing)
    form = reauthentication.ReauthenticationForm(
        session.person_id, missing, request.POST if submitted else None
    )
    status, message, wait, until = (403 if request.method == "POST" else 200), "", 0, None
    if submitted and form.is_valid():
        browser = request.browser
        receipts = charge(
            reauthentication.budgets(
                session.person, session.pk, browser.address, browser.known_browser, form.cleaned_data
            )
        )
        if isinstance(receipts, Exhausted):
            wait = max(1, int((receipts.until - timezone.now()).total_seconds()) + 1)
            status, message, until = 429, receipts.message(timezone.now()), round_up_to_minute(receipts.until)
        elif _accept_proof(session, form):
            refund(receipts)
            return see_other(request.path)
    texts = {
        "title": _("Confirm it's you"),
        "description": _("Verify your identity to continue."),
        "message": message,
    }
    context = {
        **texts,
        "form": form,
        "retry_at": until,
        "username": session.person.username,
        "back_url": reverse("home"),
        "back_text": _("Cancel"),
    }
    response = render(request, "pages/form.html", context, status=status)
    if wait:
        response["Retry-After"] = str(wait)
    return response


def _accept_proof(session: Any, form: reauthentication.ReauthenticationForm) -> bool:
    """Verify the submitted proof and record it in the session; add errors to the form.

    Return whether the proof was accepted.
    """
    result = reauthentication.check_answer(
        session.person, session.person_id, form.cleaned_data, timezone.now()
    )
    for name, text in result.errors.items():
        form.add_error(name, text)
    if result.errors:
        return False
    try:
        with transaction.atomic():
            for effect in (
                *result.effects,
                *(ProvedAgain(session.pk, session.person_id, method) for method in result.methods),
            ):
                effect.apply()
    except EffectConflict as lost:
        form.add_error(None, str(lost.message))
        return False
    return True


def see_other(url: str) -> HttpResponse:
    """Return a 303 redirect, after which the browser does not post the form again (RFC 9700 section 4.12)."""
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response
