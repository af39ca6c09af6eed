"""The front page, a person's sign-in methods and password, signing out elsewhere, and recovery links."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from flows.documents.designations import AUTHENTICATION, CREDENTIAL_SETUP, DEVICE_CODE, LOGOUT
from idp.accounts import credentials, recovery, recovery_codes, sessions
from idp.accounts.roles import may
from web.middleware.browser import BrowserRequest
from web.pages.errors import allow_methods
from web.pages.reauthentication import require_recent_proof, see_other

_REMOVAL_TEXTS = {
    credentials.TOTP: (
        _("Remove your authenticator app?"),
        _("You won't be able to sign in with its codes anymore."),
    ),
    credentials.RECOVERY_CODE: (_("Remove your recovery codes?"), _("They will stop working.")),
}
_ONLY_HERE = _("All other sessions were signed out. Your devices must be connected again.")
_DONE_TEXTS = {
    "password-changed": (_("Password changed"), (_ONLY_HERE,)),
    "password-set": (_("Password changed"), (_("All other sessions were signed out."),)),
    "signed-out": (_("Signed out everywhere else"), (_ONLY_HERE,)),
}


@allow_methods("GET", "HEAD")
def home(request: BrowserRequest) -> HttpResponse:
    """Show who is signed in, their sign-in methods, and the link to connect a device."""
    session = request.browser.session
    context = {
        "title": _("Welcome"),
        "person": session and session.person,
        "held": credentials.list_credentials(session.person) if session else [],
        "few": recovery_codes.LOW_COUNT,
        "credentials_url": reverse(CREDENTIAL_SETUP),
        "sign_in_url": reverse(AUTHENTICATION),
        "device_url": reverse(DEVICE_CODE),
        "sign_out_url": reverse(LOGOUT),
        "console_url": reverse("console:overview") if session and may(session.person, "overview.see") else "",
    }
    return render(request, "pages/home.html", context)


@allow_methods("GET", "HEAD", "POST")
@require_recent_proof
def remove_credential(request: BrowserRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, and remove a credential of the person by POST."""
    session = request.browser.session
    if request.method == "POST":
        credentials.remove(pk, of=session.person_id, by=session.person.username)
        return redirect("home")
    return _confirm_removal(request, pk, credentials.list_credentials(session.person))


def _confirm_removal(
    request: BrowserRequest, pk: int, held: list[credentials.CredentialSummary]
) -> HttpResponse:
    kind = next((each.kind for each in held if each.pk == pk), None)
    if kind is None:
        return redirect("home")
    title, description = _REMOVAL_TEXTS.get(kind, (_("Remove this?"), _("It will stop working.")))
    # used-up recovery codes do not count as a remaining sign-in method
    left = [each for each in held if each.pk != pk and each.codes_left != 0]
    last = " " + _("Your account will be protected by your password only.") if not left else ""
    texts = {"title": title, "description": f"{description}{last}", "submit": _("Remove")}
    return render(
        request, "pages/form.html", {**texts, "back_url": reverse("home"), "back_text": _("Cancel")}
    )


def _new_password() -> forms.Field:
    """Return the field for a new password, typed once.

    Browsers can show what was typed, and a second field only invites people to copy it.
    """
    help_text = _("At least 10 characters. A few words are easy to remember.")
    return credentials.PasswordField(
        label=_("New password"), autocomplete="new-password", help_text=help_text
    )


class RecoveryPasswordForm(forms.Form):
    """The form behind a recovery link."""

    password = _new_password()


class ChangePasswordForm(forms.Form):
    """The form of a signed-in person.

    The name of the field differs from the one of the current password, which confirms the person's identity.
    """

    new_password = _new_password()


@allow_methods("GET", "HEAD", "POST")
@require_recent_proof
def password(request: BrowserRequest) -> HttpResponse:
    """Set the person's own password by POST. They stay signed in here and nowhere else."""
    session, form = (
        request.browser.session,
        ChangePasswordForm(request.POST if request.method == "POST" else None),
    )
    if form.is_valid():
        try:
            opened = credentials.change_own_password(
                session.person, session.pk, form.cleaned_data["new_password"]
            )
        except ValidationError as weak:
            form.add_error("new_password", weak)
        else:
            request.browser.on_commit([opened])
            return see_other(reverse("done", args=["password-changed"]))
    description = _(
        "You stay signed in here. All other sessions are signed out, and your devices must be connected "
        "again."
    )
    texts = {"title": _("Change your password"), "description": description, "submit": _("Change password")}
    context = {
        **texts,
        "username": session.person.username,
        "form": form,
        "back_url": reverse("home"),
        "back_text": _("Cancel"),
    }
    return render(request, "pages/form.html", context)


@allow_methods("GET", "HEAD", "POST")
@require_recent_proof
def sign_out_elsewhere(request: BrowserRequest) -> HttpResponse:
    """End by POST all other sessions and all devices of the person. This browser stays signed in."""
    session = request.browser.session
    if request.method == "POST":
        request.browser.on_commit(
            [sessions.end_elsewhere(session.person, session.pk, why="signed out everywhere")]
        )
        return see_other(reverse("done", args=["signed-out"]))
    description = _(
        "You stay signed in here. All other sessions are signed out, and your devices must be connected "
        "again."
    )
    texts = {
        "title": _("Sign out everywhere else?"),
        "description": description,
        "submit": _("Sign out everywhere else"),
    }
    return render(
        request, "pages/form.html", {**texts, "back_url": reverse("home"), "back_text": _("Cancel")}
    )


@allow_methods("GET", "HEAD")
def done(request: BrowserRequest, what: str) -> HttpResponse:
    """Show what was done, at its own URL, so that a reload posts nothing again."""
    if what not in _DONE_TEXTS:
        raise Http404
    title, sentences = _DONE_TEXTS[what]
    message = " ".join(str(each) for each in sentences)
    context = {"title": title, "message": message, "link_url": reverse("home"), "link_text": _("Continue")}
    return render(request, "pages/message.html", context)


@allow_methods("GET", "HEAD", "POST")
def recover(request: BrowserRequest, token: str) -> HttpResponse:
    """Set a new password by POST. Opening the link changes nothing."""
    person = recovery.find_holder(token)
    if person is None:
        return _link_expired(request)
    form = RecoveryPasswordForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            if not recovery.redeem(token, form.cleaned_data["password"]):
                return _link_expired(request)
        except ValidationError as weak:
            form.add_error("password", weak)
        else:
            return see_other(reverse("done", args=["password-set"]))
    description = _("For %(name)s. All sessions of this account will be signed out.") % {
        "name": person.username
    }
    texts = {"title": _("Set a new password"), "description": description, "submit": _("Set password")}
    context = {**texts, "username": person.username, "form": form}
    return render(request, "pages/form.html", context)


def _link_expired(request: BrowserRequest) -> HttpResponse:
    message = _("Links work once and expire after 15 minutes. Ask an administrator for a new one.")
    return render(
        request,
        "pages/error.html",
        {"title": _("This link has expired"), "message": message},
        status=404,
    )
