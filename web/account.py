"""The front page, signing out, and the page behind a recovery link."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from idp.accounts import recovery
from web.errors import pages


@pages("GET", "HEAD")
def home(request: HttpRequest) -> HttpResponse:
    """Who is signed in here, and the way to connect a device."""
    session = request.browser.session  # type: ignore[attr-defined]
    context = {
        "title": _("Welcome"),
        "person": session and session.person,
        "device_url": reverse("device"),
        "sign_out_url": reverse("sign-out"),
    }
    return render(request, "home.html", context)


@pages("POST")
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session of this browser, at once and on every node."""
    request.browser.sign_out()  # type: ignore[attr-defined]
    return redirect("home")


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
    return render(request, "message.html", {"title": _("This link is no longer good"), "message": message}, status=404)
