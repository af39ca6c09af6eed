"""The email templates, with the tenant's own versions of them and a preview."""

from dataclasses import asdict, replace
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin

from blueprints.objects import edit
from idp.outbox.placeholders import BRANDING_VARIABLES, MailContent, shipped_templates
from idp.tenancy.scope import current_tenant
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import CHANGED_MEANWHILE, problems_from_errors
from web.console.objects.history import history
from web.console.requests import ConsoleRequest
from web.middleware.headers import content_security_policy

_FIELDS = ("subject", "text", "html")
_TITLES = {
    "subject": ("subject", gettext_lazy("Subject")),
    "text": ("text", gettext_lazy("Plain text")),
    "html": ("html", gettext_lazy("HTML")),
}
_WHEN = {
    "recovery": gettext_lazy("An administrator sends a recovery link to someone who lost their password.")
}


def mails(request: ConsoleRequest) -> HttpResponse:
    """Render the list of the templates, with their current subjects."""
    rows = [
        {
            "name": name,
            "when": _WHEN.get(name, ""),
            "own": _customized(name),
            "subject": _current(name).subject,
        }
        for name in shipped_templates()
    ]
    return render_page(request, "console/mails.html", title=_("Email templates"), rows=rows)


def mail(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the form of one template, and save it by POST."""
    default = _default_template(name)
    known, template, errors, status = _customized(name), _current(name), dict[str, list[str]](), 200
    if request.method == "POST":
        template, etag = _read_form(request), request.POST.get("etag", "")
        document, by = {"mail": name, **asdict(template)}, request.person.username
        try:
            edit.save("mail", document, by=by, expect=etag or None, new=not etag)
        except edit.InvalidObject as refused:
            errors, status = (
                {"" if key == "mail" else key: texts for key, texts in refused.errors.items()},
                400,
            )
        except (edit.EditConflict, edit.ObjectNotFound):
            errors, status = {"": [str(CHANGED_MEANWHILE)]}, 409
        else:
            return see_other(request, reverse("console:mail", args=[name]), _("Changes saved."))
    context = {
        "name": name,
        "when": _WHEN.get(name, ""),
        "mail": template,
        "own": known,
        "errors": errors,
        "problems": problems_from_errors(errors, _TITLES),
        "words": [(word, _sample_values(request)[word]) for word in sorted(default.variables)],
        "shown": _render_sample(request, template),
        "may_edit": request.may("branding.edit"),
        "history": history(request, {"area": "mail", "target": name}),
    }
    response = render_page(
        request,
        "console/mails_one.html",
        title=_title(name),
        belongs_to=_("Email templates"),
        status=status,
        **context,
    )
    response.headers["Content-Security-Policy"] = content_security_policy(request, frame_src="'self'")
    return response


def reset(request: ConsoleRequest, name: str) -> HttpResponse:
    """Ask for confirmation, then reset a template to the default by POST."""
    _default_template(name)
    url, own = reverse("console:mail", args=[name]), _customized(name)
    if request.method != "POST" and own:
        asks = _("Your version is deleted and the default is sent from now on. This can't be undone.")
        words: dict[str, Any] = {
            "asks": asks,
            "what": own.document["subject"],
            "button": _("Reset to default"),
        }
        return render_page(
            request,
            "console/objects/ask.html",
            title=_("Reset this template?"),
            trail=_title(name),
            trail_url=url,
            **words,
        )
    try:
        edit.delete("mail", name, by=request.person.username)
    except edit.ObjectNotFound:
        return see_other(request, url, _("This template already uses the default."))
    return see_other(request, url, _("Reset to default."))


@xframe_options_sameorigin
def preview(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the mail as it would arrive, saved or not.

    It is shown in a frame that runs no scripts and loads nothing.
    """
    _default_template(name)
    template = _read_form(request) if request.method == "POST" else _current(name)
    filled = _render_sample(request, template)
    response = (
        HttpResponse(filled.html)
        if filled.html
        else render(request, "console/mails_text.html", {"mail": filled})
    )
    # Mail clients need inline styles. They are harmless here, because scripts and external resources are
    # blocked.
    response.headers["Content-Security-Policy"] = (
        content_security_policy(
            request,
            style_src="'unsafe-inline'",
            script_src="'none'",
            img_src="data:",
            form_action="'none'",
            frame_ancestors="'self'",
        )
        + "; sandbox"
    )
    return response


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _default_template(name: str) -> MailContent:
    if name not in shipped_templates():
        raise Http404
    return shipped_templates()[name]


def _customized(name: str) -> edit.CurrentObject | None:
    return edit.load("mail", name)


def _current(name: str) -> MailContent:
    """Return the tenant's own template, or else the default one."""
    own = _customized(name)
    return MailContent(**{part: own.document[part] for part in _FIELDS}) if own else shipped_templates()[name]


def _read_form(request: ConsoleRequest) -> MailContent:
    values = {part: request.POST.get(part, "").replace("\0", "").replace("\r\n", "\n") for part in _FIELDS}
    return replace(MailContent(**values), subject=values["subject"].strip())


def _render_sample(request: ConsoleRequest, template: MailContent) -> MailContent:
    return template.render(_sample_values(request))


def _sample_values(request: ConsoleRequest) -> dict[str, str]:
    """Return a preview value for each placeholder.

    A placeholder without a known value stands for itself.
    """
    owner, person = current_tenant(), request.person
    face = {"tenant": owner.title, "accent": owner.accent, "accent_text": owner.accent_text}
    samples: dict[str, Any] = {"name": person.display_name, "minutes": "15", "code": "123 456"}
    samples["link"] = request.build_absolute_uri("/recover/one-time-link")
    every = frozenset().union(*(each.variables for each in shipped_templates().values())) - BRANDING_VARIABLES
    return {**{word: f"⟨{word}⟩" for word in every}, **samples, **face}


PAGES = (
    ConsolePage("mails/", mails, "mails", view_operation="branding.see"),
    ConsolePage(
        "mails/<slug:name>", mail, "mail", view_operation="branding.see", post_operation="branding.edit"
    ),
    ConsolePage(
        "mails/<slug:name>/shipped",
        reset,
        "mail-forget",
        view_operation="branding.edit",
        post_operation="branding.edit",
    ),
    ConsolePage(
        "mails/<slug:name>/preview",
        preview,
        "mail-preview",
        view_operation="branding.see",
        post_operation="branding.edit",
    ),
)
