"""Rotation of the tenant's signing key: gradual, or immediate after a theft."""

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from idp.foundation.listing import ListQuery
from idp.oauth.listings import KEYS
from idp.tenancy.scope import current_tenant
from web.administration.changes import rotate_keys
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import FormProblem
from web.console.requests import ConsoleRequest


def rotate(request: ConsoleRequest) -> HttpResponse:
    """Explain what each kind of rotation breaks, and rotate the key by POST.

    The kind that cannot be undone needs the name of the tenant as a confirmation.
    """
    choice, error = request.POST.get("old", "keep"), ""
    if request.method == "POST":
        if choice == "keep" or request.POST.get("name", "").strip() == current_tenant().name:
            kid = rotate_keys(request.person, keep_old=choice == "keep")
            return see_other(
                request,
                reverse("console:keys"),
                _("Key rotated. Tokens are now signed with %(kid)s.") % {"kid": kid},
            )
        error = _("Type %(name)s to confirm.") % {"name": current_tenant().name}
    keys = KEYS.page(ListQuery(size=5)).rows
    name = current_tenant().name
    problems = [FormProblem(error, "name", _("Type %(name)s to confirm") % {"name": name})] if error else []
    context = {
        "keys": keys,
        "chosen": choice,
        "wrong": error,
        "problems": problems,
        "back": reverse("console:keys"),
        "name": name,
    }
    return render_page(
        request,
        "console/keys_rotate.html",
        title=_("Rotate key"),
        status=400 if error else 200,
        **context,
    )


PAGES = (
    ConsolePage(
        "keys/rotate", rotate, "keys-rotate", view_operation="keys.rotate", post_operation="keys.rotate"
    ),
)
