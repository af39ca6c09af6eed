"""The front page, what a person holds there, signing out, and the page behind a recovery link."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from flows.designations import AUTHENTICATION, CREDENTIAL_SETUP, DEVICE_CODE, LOGOUT
from flows.facts import moments, seeded
from idp.accounts import credentials, proving, recovery
from idp.accounts.roles import may
from web.errors import pages

_REMOVING = {
    credentials.TOTP: (_("Remove your authenticator app?"), _("Its codes will not let you in any more.")),
    credentials.RECOVERY_CODE: (_("Remove your recovery codes?"), _("None of them will let you in any more.")),
}


@pages("GET", "HEAD")
def home(request: HttpRequest) -> HttpResponse:
    """Who is signed in here and with what they may prove it, and the way to connect a device."""
    session = request.browser.session  # type: ignore[attr-defined]
    context = {
        "title": _("Welcome"),
        "person": session and session.person,
        "held": credentials.held(session.person) if session else [],
        "credentials_url": reverse(CREDENTIAL_SETUP),
        "sign_in_url": reverse(AUTHENTICATION),
        "device_url": reverse(DEVICE_CODE),
        "sign_out_url": reverse(LOGOUT),
        "console_url": reverse("console:overview") if session and may(session.person, "overview.see") else "",
    }
    return render(request, "home.html", context)


@pages("GET", "HEAD", "POST")
def remove_credential(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks once more and removes by POST what the person holds, once they have lately proved themselves, by a second factor too;
    else leads to where they do.
    """
    session = request.browser.session  # type: ignore[attr-defined]
    if not session or proving.asked(session.person_id, moments(seeded(session)), timezone.now()) != ():
        return redirect(CREDENTIAL_SETUP)  # a password alone never takes away what guards the account, nor does a code of this morning
    if request.method == "POST":
        credentials.remove(pk, of=session.person_id, by=session.person.username)
        return redirect("home")
    return _ask_to_remove(request, pk, credentials.held(session.person))


def _ask_to_remove(request: HttpRequest, pk: int, held: list[credentials.Held]) -> HttpResponse:
    kind = next((each.kind for each in held if each.pk == pk), None)
    if kind is None:
        return redirect("home")
    title, description = _REMOVING.get(kind, (_("Remove this?"), _("It will not let you in any more.")))
    last = " " + _("Your password alone will then be enough.") if len(held) == 1 else ""
    words = {"title": title, "description": f"{description}{last}", "submit": _("Remove")}
    return render(request, "form.html", {**words, "back_url": reverse("home"), "back_text": _("Keep it")})


class NewPassword(forms.Form):
    """A new password, typed once: browsers show what was typed, and a second field only invites copying."""

    password = forms.CharField(
        label=_("New password"),
        help_text=_("At least 10 characters. A few words in a row are easy to remember."),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )


@pages("GET", "HEAD", "POST")
def recover(request: HttpRequest, token: str) -> HttpResponse:
    """Sets a new password by POST; the link itself changes nothing."""
    person = recovery.holder(token)
    if person is None:
        return _gone(request)
    form = NewPassword(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            if not recovery.redeem(token, form.cleaned_data["password"]):
                return _gone(request)
        except ValidationError as weak:
            form.add_error("password", weak)
        else:
            return _done(request)
    description = _("For the account %(name)s, which will be signed out everywhere.") % {"name": person.username}
    words = {"title": _("Set a new password"), "description": description, "submit": _("Set password")}
    context = {**words, "username": person.username, "form": form}
    return render(request, "form.html", context)


def _done(request: HttpRequest) -> HttpResponse:
    message = _("Your new password works from now on. Everyone who was signed in with the old one has been signed out.")
    return render(
        request, "message.html", {"title": _("Password set"), "message": message, "link_url": reverse("home"), "link_text": _("Continue")}
    )


def _gone(request: HttpRequest) -> HttpResponse:
    message = _("It works once, for 15 minutes. Ask an administrator for a new one.")
    return render(request, "error.html", {"title": _("This link is no longer good"), "message": message}, status=404)
