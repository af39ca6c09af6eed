"""The mails that the product sends, and the tenant's own wording of them with a preview."""

from dataclasses import asdict, replace
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin

from blueprints.objects import edit
from idp.outbox.placeholders import FACE, Template, shipped
from idp.tenancy.scope import current_tenant
from web.console.frame import Page, see, show
from web.console.objects.form_errors import CHANGED_MEANWHILE, of_errors
from web.console.objects.history import history
from web.console.requests import ConsoleRequest
from web.middleware.headers import policy

_PARTS = ("subject", "text", "html")
_TITLES = {
    "subject": ("subject", gettext_lazy("Subject")),
    "text": ("text", gettext_lazy("Plain text")),
    "html": ("html", gettext_lazy("HTML")),
}
_WHEN = {
    "recovery": gettext_lazy("An administrator sends a recovery link to someone who lost their password.")
}


def mails(request: ConsoleRequest) -> HttpResponse:
    """Every mail, with its subject as it is sent now."""
    rows = [
        {"name": name, "when": _WHEN.get(name, ""), "own": _own(name), "subject": _now(name).subject}
        for name in shipped()
    ]
    return show(request, "console/mails.html", title=_("Email templates"), rows=rows)


def mail(request: ConsoleRequest, name: str) -> HttpResponse:
    """The wording of one mail; an empty page goes back to the shipped one."""
    original = _shipped(name)
    known, wording, errors, status = _own(name), _now(name), dict[str, list[str]](), 200
    if request.method == "POST":
        wording, etag = _typed(request), request.POST.get("etag", "")
        said, by = {"mail": name, **asdict(wording)}, request.person.username
        try:
            edit.save("mail", said, by=by, expect=etag or None, new=not etag)
        except edit.Refused as refused:
            errors, status = (
                {"" if key == "mail" else key: texts for key, texts in refused.errors.items()},
                400,
            )
        except (edit.Moved, edit.NotThere):
            errors, status = {"": [str(CHANGED_MEANWHILE)]}, 409
        else:
            return see(request, reverse("console:mail", args=[name]), _("Changes saved."))
    context = {
        "name": name,
        "when": _WHEN.get(name, ""),
        "wording": wording,
        "own": known,
        "errors": errors,
        "problems": of_errors(errors, _TITLES),
        "words": [(word, _sample(request)[word]) for word in sorted(original.words)],
        "shown": _filled(request, wording),
        "may_edit": request.may("branding.edit"),
        "history": history(request, {"area": "mail", "target": name}),
    }
    response = show(
        request,
        "console/mails_one.html",
        title=_title(name),
        belongs_to=_("Email templates"),
        status=status,
        **context,
    )
    response.headers["Content-Security-Policy"] = policy(request, frame_src="'self'")
    return response


def forget(request: ConsoleRequest, name: str) -> HttpResponse:
    """Asks what will be lost, and goes back to the shipped wording by POST."""
    _shipped(name)
    url, own = reverse("console:mail", args=[name]), _own(name)
    if request.method != "POST" and own:
        asks = _("Your version is deleted and the default is sent from now on. This can't be undone.")
        words: dict[str, Any] = {
            "asks": asks,
            "what": own.document["subject"],
            "button": _("Reset to default"),
        }
        return show(
            request,
            "console/objects/ask.html",
            title=_("Reset this template?"),
            trail=_title(name),
            trail_url=url,
            **words,
        )
    try:
        edit.delete("mail", name, by=request.person.username)
    except edit.NotThere:
        return see(request, url, _("This template already uses the default."))
    return see(request, url, _("Reset to default."))


@xframe_options_sameorigin
def preview(request: ConsoleRequest, name: str) -> HttpResponse:
    """The mail as it would arrive, saved or not, for a frame that runs nothing and loads nothing."""
    _shipped(name)
    wording = _typed(request) if request.method == "POST" else _now(name)
    filled = _filled(request, wording)
    response = (
        HttpResponse(filled.html)
        if filled.html
        else render(request, "console/mails_text.html", {"mail": filled})
    )
    # A mail carries its styles with it, as mail programs want them; without scripts and addresses they can do
    # nothing here.
    response.headers["Content-Security-Policy"] = (
        policy(
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


def _shipped(name: str) -> Template:
    if name not in shipped():
        raise Http404
    return shipped()[name]


def _own(name: str) -> edit.Current | None:
    return edit.current("mail", name)


def _now(name: str) -> Template:
    """The tenant's own wording, else the shipped one."""
    own = _own(name)
    return Template(**{part: own.document[part] for part in _PARTS}) if own else shipped()[name]


def _typed(request: ConsoleRequest) -> Template:
    typed = {part: request.POST.get(part, "").replace("\0", "").replace("\r\n", "\n") for part in _PARTS}
    return replace(Template(**typed), subject=typed["subject"].strip())


def _filled(request: ConsoleRequest, wording: Template) -> Template:
    return wording.filled(_sample(request))


def _sample(request: ConsoleRequest) -> dict[str, str]:
    """A word's value in the preview; what is not known here stands for itself."""
    owner, person = current_tenant(), request.person
    face = {"tenant": owner.title, "accent": owner.accent, "accent_text": owner.accent_text}
    samples: dict[str, Any] = {"name": person.display_name, "minutes": "15", "code": "123 456"}
    samples["link"] = request.build_absolute_uri("/recover/one-time-link")
    every = frozenset().union(*(each.words for each in shipped().values())) - FACE
    return {**{word: f"⟨{word}⟩" for word in every}, **samples, **face}


PAGES = (
    Page("mails/", mails, "mails", see="branding.see"),
    Page("mails/<slug:name>", mail, "mail", see="branding.see", do="branding.edit"),
    Page("mails/<slug:name>/shipped", forget, "mail-forget", see="branding.edit", do="branding.edit"),
    Page("mails/<slug:name>/preview", preview, "mail-preview", see="branding.see", do="branding.edit"),
)
