"""Rotation of the tenant's signing key: gradual, or immediate after a theft."""

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from idp.foundation.listing import Wish
from idp.oauth.listings import KEYS
from idp.tenancy.scope import current_tenant
from web.administration.changes import rotate_keys
from web.console.frame import Page, see, show
from web.console.objects.form_errors import Problem
from web.console.requests import ConsoleRequest


def rotate(request: ConsoleRequest) -> HttpResponse:
    """Explain what each kind of rotation breaks, and rotate the key by POST.

    The kind that cannot be undone needs the name of the tenant as a confirmation.
    """
    choice, error = request.POST.get("old", "keep"), ""
    if request.method == "POST":
        if choice == "keep" or request.POST.get("name", "").strip() == current_tenant().name:
            kid = rotate_keys(request.person, keep_old=choice == "keep")
            return see(
                request,
                reverse("console:keys"),
                _("Key rotated. Tokens are now signed with %(kid)s.") % {"kid": kid},
            )
        error = _("Type %(name)s to confirm.") % {"name": current_tenant().name}
    keys = KEYS.page(Wish(size=5)).rows
    name = current_tenant().name
    problems = [Problem(error, "name", _("Type %(name)s to confirm") % {"name": name})] if error else []
    context = {
        "keys": keys,
        "chosen": choice,
        "wrong": error,
        "problems": problems,
        "back": reverse("console:keys"),
        "name": name,
    }
    return show(
        request,
        "console/keys_rotate.html",
        title=_("Rotate key"),
        status=400 if error else 200,
        **context,
    )


PAGES = (Page("keys/rotate", rotate, "keys-rotate", see="keys.rotate", do="keys.rotate"),)
