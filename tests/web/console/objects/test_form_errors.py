"""Errors in the console's forms: all are shown at once at the top, with links to the fields.

The form keeps what was typed.
"""

import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from blueprints.objects import edit
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.web.console import posts
from tests.web.console.pages import at
from web.console.urls import PAGES

NAMED = {page.name: page for page in PAGES}
_LINK = re.compile(r'<li><a href="#([^"]+)">(.*?)</a>', re.DOTALL)
# the form, the invalid fields, and the values that the page keeps
BAD: dict[str, tuple[dict[str, Any], set[str], tuple[str, ...]]] = {
    "application-recipe": ({"title": ""}, {"f-title"}, ()),
    "applications-one": (
        {
            "title": "Kept as typed",
            "device.code_lifetime": "ten",
            "scopes": "missing",
            "homepage": "no address",
        },
        {"f-device-code_lifetime", "f-scopes"},
        ("Kept as typed", 'value="ten"'),
    ),
    "branding": (
        {
            "title": "Kept as typed",
            "accent": "#336699",
            "domains": "acme.test\nnot a host",
            "networks": "10.0.0.0/99",
            "mail_from": "nobody",
            "logo": SimpleUploadedFile("x.png", b"<html>", "image/png"),
        },
        {"f-domains", "networks", "mail_from", "logo"},
        ("Kept as typed", "not a host", "10.0.0.0/99"),
    ),
    "flow-new": (
        {"title": "", "name": "kept-as-typed", "like": "", "designation": ""},
        {"title", "designation"},
        ("kept-as-typed",),
    ),
    "groups-add": ({"group": ""}, {"f-group"}, ()),
    "keys-rotate": ({"old": "revoke", "name": "wrong"}, {"name"}, ()),
    "mail": (
        {"subject": "", "text": "No {{ lnik }} here", "html": "<p>{% if %}</p>"},
        {"subject", "text", "html"},
        ("lnik",),
    ),
    "people-add": (
        {"person": "", "email": "nobody", "password": "a-secret-typed"},
        {"f-person", "f-email"},
        ('value="nobody"',),
    ),
    "people-one": (
        {"name": "Kept as typed", "email": "nobody", "groups": "missing", "password": "a-secret-typed"},
        {"f-email", "f-groups"},
        ("Kept as typed",),
    ),
    "scopes-add": ({"scope": "", "title": ""}, {"f-scope", "f-title"}, ()),
    "scopes-one": ({"title": ""}, {"f-title"}, ()),
    "tenant": ({"domains": "not a host"}, {"domains"}, ("not a host",)),
    "tenant-new": (
        {"name": "Not a name", "title": "", "domain": "no host", "administrator": "..", "email": "nobody"},
        {"name", "title", "domain", "administrator", "email"},
        ("Not a name", "no host"),
    ),
}
# no input can be invalid there, or the page redirects with a message; blueprints report lines, see
# test_blueprints.py
WITHOUT = {
    *(posts.READS | posts.ASKS_FIRST | set(posts.actions())),
    *(
        "application-secret",
        "blueprints-apply",
        "blueprints-look",
        "blueprints-secret",
        "builder-edit",
        "device-revoke",
    ),
    *(
        "first-steps-dismiss",
        "flow-discard",
        "flow-publish",
        "flow-roll-back",
        "flow-try-keep",
        "groups-one",
        "mail-forget",
    ),
    *("person-link", "person-mail", "person-role", "tenant-domain", "tenant-link"),
}


def test_every_form_is_known_here() -> None:
    """Every form of the console is tested with wrong values."""
    assert sorted(set(BAD) | WITHOUT) == sorted(page.name for page in posts.posting())


@pytest.mark.parametrize("name", BAD)
def test_all_errors_are_shown_at_the_top(name: str, inhabited: None) -> None:
    """WCAG 3.3.1, 2.4.2: the title reports errors, and the focused summary links to each field.

    Each field references its message. Nothing is saved, the typed values are still there, and no secret is.
    """
    page, (form, fields, kept) = NAMED[name], BAD[name]
    door, _tenant = posts.owner_at(page)
    answer = door.http.post(at(page), form)
    text = answer.content.decode()
    assert answer.status_code == 400, text[:2000]
    assert "<title>Error: " in text
    assert re.search(r'id="wrong" role="alert" tabindex="-1" autofocus', text)
    assert len(re.findall(r" autofocus", text)) == 1
    links = _LINK.findall(text)
    assert {field for field, _title in links} == fields
    for field, title in links:
        assert re.search(
            rf'<(?:input|textarea|select|fieldset)[^>]*\bid="{field}"[^>]*aria-describedby="[^"]*\b{field}-error',
            text,
        ), field
        assert text.count(f'id="{field}-error"') == 1
        label = re.search(
            rf'<label for="{field}">(.*?)</label>|id="{field}"[^>]*><legend>(.*?)</legend>', text, re.DOTALL
        )
        assert label
        shown = re.sub(r"<[^>]+>", "", label[1] or label[2])
        assert html.unescape(shown).startswith(html.unescape(title)), (shown, title)
    assert text.count('aria-invalid="true"') >= len(fields)
    assert all(html.escape(each) in text or each in text for each in kept)
    assert "a-secret-typed" not in text


def test_a_page_without_mistakes_says_nothing(inhabited: None) -> None:
    """A page without errors has no summary, no mark and an unchanged title."""
    for name in BAD:
        door, _tenant = posts.owner_at(NAMED[name])
        text = door.get(at(NAMED[name])).content.decode()
        assert "<title>Error" not in text
        assert 'id="wrong"' not in text
        assert "aria-invalid" not in text


def test_errors_of_the_database_are_shown_at_the_same_time(acme: Tenant, other: Tenant, door: Doors) -> None:
    """A malformed lifetime hides neither a scope that does not exist nor a client id that is taken."""
    known = edit.load("application", "tv")
    assert known is not None
    said = {
        "application": "tv",
        "title": "",
        "scopes": ["missing"],
        "client_id": "staff-console",
        "device": {"code_lifetime": "ten"},
    }
    with pytest.raises(edit.InvalidObject) as refused:
        edit.save("application", said, by="test")
    assert {key.partition(".")[0] for key in refused.value.errors} >= {
        "title",
        "scopes",
        "device",
        "client_id",
    }
    assert edit.load("application", "tv") == known
