"""The branding, domains and trusted networks of the tenant, with a preview of the sign-in page."""

import copy
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin

from blueprints.objects import edit
from idp.accounts.roles import operations_of
from idp.foundation.colors import DARK, LIGHT, contrast
from idp.tenancy.hosts import host_name
from idp.tenancy.scope import current_tenant
from idp.tenancy.tenants import approved_domains, may_send_from, pending_domains
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import CHANGED_MEANWHILE, problems_from_errors
from web.console.objects.history import history
from web.console.requests import ConsoleRequest
from web.middleware.headers import content_security_policy

PICTURES = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
    "image/svg+xml": b"<",
}
_MAX_LOGO_BYTES = 48 * 1024
_LIST_FIELDS = ("networks", "domains")
_TITLES = {
    "title": ("title", gettext_lazy("Display name")),
    "accent": ("accent", gettext_lazy("Accent color")),
    "logo": ("logo", gettext_lazy("Logo")),
    "domains": ("f-domains", gettext_lazy("Domains")),
    "networks": ("networks", gettext_lazy("Trusted networks")),
    "mail_from": ("mail_from", gettext_lazy("From address")),
}


def branding(request: ConsoleRequest) -> HttpResponse:
    """Render the branding form; a POST is saved as a document, like every other change of the tenant."""
    known = edit.load("tenant", current_tenant().name)
    if known is None:
        raise Http404
    document, errors, etag, status = known.document, dict[str, list[str]](), known.digest, 200
    if request.method == "POST":
        document, errors = _read_form(request, known.document)
        etag = request.POST.get("etag", "")
        by, rights = request.person.username, operations_of(request.person)
        if not errors:
            try:
                saved = edit.save("tenant", document, by=by, expect=etag, new=False, rights=rights)
            except edit.InvalidObject as refused:
                errors = _by_field(refused.errors)
            except edit.EditConflict:
                errors = {"": [str(CHANGED_MEANWHILE)]}
                etag = known.digest
            else:
                changed = ", ".join(each.key for each in saved.keys)
                message = _("Changes saved. (%(keys)s)") if changed else _("No changes to save.")
                return see_other(request, reverse("console:branding"), message % {"keys": changed})
        status = 409 if "" in errors else 400
    context = {
        "said": {**document, **{name: "\n".join(document.get(name, ())) for name in _LIST_FIELDS}},
        "errors": errors,
        "problems": problems_from_errors(errors, _TITLES),
        "etag": etag,
        "may_edit": request.may("branding.edit"),
        "host": request.get_host(),
        "logo_url": known.document["logo"],
        "waiting": pending_domains(current_tenant()),
        "replies_only": bool(known.document["mail_from"]) and not may_send_from(current_tenant()),
        "history": history(request, {"area": "tenant", "target": current_tenant().name}),
    }
    response = render_page(
        request, "console/branding.html", title=_("Branding & domains"), status=status, **context
    )
    response.headers["Content-Security-Policy"] = content_security_policy(request, frame_src="'self'")
    return response


@xframe_options_sameorigin
def preview(request: ConsoleRequest) -> HttpResponse:
    """Render the sign-in page in the colors of the form, saved or not; nothing on it can be submitted."""
    previewed, error = copy.copy(current_tenant()), ""
    if request.method == "POST":
        document, errors = _read_form(request, {"logo": previewed.logo})
        try:
            edit.validate("tenant", document)
        except edit.InvalidObject as refused:
            errors = {**errors, **refused.errors}
        error = " ".join(errors.get("accent", []) + errors.get("logo", []))
        previewed.title = document["title"] or previewed.title
        previewed.accent = previewed.accent if "accent" in errors else document["accent"]
        previewed.logo = previewed.logo if "logo" in errors else document["logo"]
    compared = {"words": previewed.accent_text, "on_light": LIGHT[0], "on_dark": DARK[0]}
    ratios = {name: contrast(previewed.accent, other) for name, other in compared.items()}
    context = {
        "tenant": previewed,
        "title": _("Sign in"),
        "wrong": error,
        **ratios,
        "faint": min(ratios.values()) < 3,
    }
    response = render(request, "console/branding_preview.html", context)
    response.headers["Content-Security-Policy"] = content_security_policy(
        request, frame_ancestors="'self'", form_action="'none'"
    )
    return response


def _read_form(
    request: ConsoleRequest, known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the submitted document, and the errors that its kind cannot detect, by field."""
    posted = {name: str(value).replace("\0", "").strip() for name, value in request.POST.items()}
    document: dict[str, Any] = {
        "tenant": current_tenant().name,
        "title": posted.get("title", ""),
        "mail_from": posted.get("mail_from", ""),
    }
    document["accent"] = posted.get("accent", "").lower()
    document |= {
        name: [line.strip() for line in posted.get(name, "").splitlines() if line.strip()]
        for name in _LIST_FIELDS
    }
    document["domains"] = [name.lower() for name in document["domains"]]
    document["logo"], error = _logo(request, str(known.get("logo", "")))
    errors = {"logo": [error]} if error else {}
    if not document["title"]:
        errors["title"] = [_("Enter a display name.")]
    if "domains" in known and not _stays_reachable(request, document["domains"]):
        errors["domains"] = [
            _("You are using %(host)s right now. Sign in on another domain before you remove it.")
            % {"host": request.get_host()}
        ]
    return document, errors and {**_other_errors(request, document, errors), **errors}


def _other_errors(
    request: ConsoleRequest, document: Mapping[str, Any], errors: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the errors of the other fields, which are not validated once one field is wrong."""
    right = {key: value for key, value in document.items() if key not in errors}
    return _by_field(edit.find_errors("tenant", right, operations_of(request.person)))


def _logo(request: ConsoleRequest, known: str) -> tuple[str, str]:
    """Return the logo as a ``data:`` URL, and an error message about the chosen file.

    The logo is only ever shown as an image, so nothing in it is executed.
    """
    if "no_logo" in request.POST:
        return "", ""
    upload: Any = request.FILES.get("logo")
    if not upload:
        return known, ""
    data = upload.read(_MAX_LOGO_BYTES + 1)
    start = PICTURES.get(str(upload.content_type))
    if start is None or not data.lstrip().startswith(start) or len(data) > _MAX_LOGO_BYTES:
        return known, _("Choose a PNG, JPEG, WebP or SVG file of up to 48 KiB.")
    return f"data:{upload.content_type};base64,{b64encode(data).decode()}", ""


def _stays_reachable(request: ConsoleRequest, domains: list[str]) -> bool:
    """Return whether the host of this request would still lead to this tenant after the change."""
    if not request.may("tenants.edit"):
        domains = [each for each in domains if each in approved_domains(current_tenant())]
    name = host_name(request.get_host()) or ""
    labels = name.split(".")
    return name in settings.DEFAULT_HOSTS or any(
        each in domains for each in (name, *("*." + ".".join(labels[at:]) for at in range(1, len(labels))))
    )


def _by_field(errors: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the errors by field: an error in one line of a list becomes an error of the whole field."""
    found: dict[str, list[str]] = {}
    for key, texts in errors.items():
        found.setdefault(key.partition(".")[0], []).extend(texts)
    return found


PAGES = (
    ConsolePage(
        "branding/", branding, "branding", view_operation="branding.see", post_operation="branding.edit"
    ),
    ConsolePage(
        "branding/preview",
        preview,
        "branding-preview",
        view_operation="branding.see",
        post_operation="branding.edit",
    ),
)
