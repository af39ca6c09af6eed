"""Mail templates: a customized text in place of the default one, with an inert preview."""

import pytest

from idp.events.models import Event
from idp.outbox.models import MailTemplate
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.console.signed_in import posted, signed_in, text

MAIL, PREVIEW = "/console/mails/recovery", "/console/mails/recovery/preview"
OWN = {
    "subject": "Back in, {{ name }}",
    "text": "Here: {{ link }}",
    "html": '<p style="color:{{ accent }}">{{ link }} {{ minutes }}</p>',
}


def test_a_mail_is_worded_and_given_back(acme: Tenant, other: Tenant, door: Doors) -> None:
    """A mail is customized from the list and reset to the default; other tenants' mails are unchanged."""
    admin = signed_in(door, "admin")
    assert "Default" in text(admin, "/console/mails/")
    assert "Set a new password for {{ tenant }}" in text(admin, MAIL)
    posted(admin, MAIL, OWN)
    page = text(admin, MAIL)
    assert "Changes saved." in page
    assert "Back in, Alice" in page
    assert "Customized" in text(admin, "/console/mails/")
    with tenant_scope(other):
        assert not MailTemplate.objects.exists()
    posted(admin, f"{MAIL}/shipped", {})
    assert not MailTemplate.objects.exists()
    events = Event.objects.filter(kind__startswith="mail.", actor="alice").order_by("pk")
    assert [event.kind for event in events] == ["mail.changed", "mail.deleted"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"text": "Hello {{ nmae }}"}, "Did you mean name?"),
        ({"html": "{% include 'secret' %}"}, "no tags, no filters"),
        ({"subject": ""}, "cannot be blank"),
        ({"html": "{{ settings.SECRET_KEY }}"}, "Only {{ variable }} is supported"),
    ],
)
def test_what_no_mail_can_say_is_refused(
    acme: Tenant, door: Doors, changed: dict[str, str], message: str
) -> None:
    """An invalid text has its message at its field with what was typed, and nothing is saved."""
    admin = signed_in(door, "admin")
    page = posted(admin, MAIL, {**OWN, **changed}, status=400).replace("&#x27;", "'")
    assert message in page
    assert not MailTemplate.objects.exists()


def test_two_who_word_it_at_once_lose_nothing(acme: Tenant, door: Doors) -> None:
    """Concurrent edits of a mail lose nothing.

    The cases are a first text saved twice, a text changed meanwhile, and a text deleted meanwhile.
    """
    admin = signed_in(door, "admin")
    posted(admin, MAIL, OWN)
    assert "already taken" in posted(admin, MAIL, {**OWN, "subject": "Mine"}, status=400)
    assert "Someone else changed this" in posted(
        admin, MAIL, {**OWN, "subject": "Mine", "etag": "0" * 32}, status=409
    )
    assert MailTemplate.objects.get().subject == OWN["subject"]


def test_the_preview_can_do_nothing(acme: Tenant, door: Doors) -> None:
    """A hostile text is shown as it would arrive, in a sandbox without scripts, addresses and forms.

    It is not saved.
    """
    admin = signed_in(door, "admin")
    hostile = {**OWN, "html": "<script>alert(1)</script><img src=https://evil.test/><b>{{ name }}</b>"}
    response = admin.http.post(PREVIEW, hostile)
    assert "<b>Alice</b>" in response.content.decode()
    policy = response["Content-Security-Policy"]
    for said in (
        "default-src 'none'",
        "script-src 'none'",
        "img-src data:",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    ):
        assert said in policy
    assert "allow-scripts" not in policy
    assert not MailTemplate.objects.exists()
    assert "https://evil.test/" not in text(admin, PREVIEW)
    plain = admin.http.post(PREVIEW, {**OWN, "html": "", "text": "<b>{{ link }}"}).content.decode()
    assert "&lt;b&gt;http://acme.test/recover/" in plain


def test_an_unknown_mail_and_an_editor(acme: Tenant, door: Doors) -> None:
    """An unknown mail is a 404, and a role that may only read cannot save, reset or preview a text."""
    admin = signed_in(door, "admin")
    for path in ("", "/shipped", "/preview"):
        assert admin.http.post(f"/console/mails/invoice{path}", OWN).status_code == 404
    editor = signed_in(door, "editor")
    assert ">Save<" not in text(editor, MAIL)
    for path in ("", "/shipped", "/preview"):
        assert editor.http.post(f"{MAIL}{path}", OWN).status_code == 403
