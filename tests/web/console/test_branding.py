"""Branding and domains of a tenant: edited like every document, and shown before they are saved.

They are never a way to lock oneself out.
"""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from blueprints.objects import edit
from idp.events.changes import decide_domain
from idp.events.models import Event
from idp.tenancy.models import Domain, Tenant
from tests.support.client import Doors
from tests.web.api.conftest import Program, mint
from tests.web.console.signed_in import posted, signed_in, text

PAGE, PREVIEW = "/console/branding/", "/console/branding/preview"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def _form(**changed: object) -> dict[str, object]:
    known = edit.load("tenant", "acme")
    assert known
    form = {
        "etag": known.digest,
        "title": "Acme",
        "accent": "#4f46e5",
        "networks": "127.0.0.0/8",
        "mail_from": "",
    }
    return {**form, "domains": "acme.test\n*.acme.test", **changed}


def _acme() -> Tenant:
    return Tenant.objects.get(name="acme")


def test_everything_is_saved_and_visible_at_the_sign_in(acme: Tenant, door: Doors) -> None:
    """Title, color, picture, networks, sender and domains are saved and visible at the sign-in.

    One event says which keys were changed, and by whom.
    """
    admin = signed_in(door, "admin")
    logo = SimpleUploadedFile("mark.png", PNG, "image/png")
    changed = _form(
        title="Acme GmbH",
        accent="#0F766E",
        networks="10.0.0.0/8\n\n",
        mail_from="login@acme.test",
        domains="acme.test\n*.acme.test\nLOGIN.acme.example",
        logo=logo,
    )
    assert posted(admin, PAGE, changed) == PAGE
    tenant = _acme()
    assert (tenant.title, tenant.accent, tenant.networks, tenant.mail_from) == (
        "Acme GmbH",
        "#0f766e",
        ["10.0.0.0/8"],
        "login@acme.test",
    )
    assert tenant.logo.startswith("data:image/png;base64,iVBOR")
    assert set(tenant.domains.values_list("name", flat=True)) == {
        "acme.test",
        "*.acme.test",
        "login.acme.example",
    }
    assert door("login.acme.example").get("/device").status_code == 404, "until it is approved"
    decide_domain("login.acme.example", approve=True, by="test")
    seen = door("login.acme.example").page("/device").text
    assert "Acme GmbH" in seen
    assert "#0f766e" in seen
    event = Event.objects.get(kind="tenant.changed")
    assert (event.actor, event.target) == ("alice", "acme")
    assert {"accent", "domains", "logo", "mail_from", "networks", "title"} == set(event.data["keys"])
    posted(admin, PAGE, _form(title="Acme GmbH"))
    assert _acme().logo == tenant.logo
    posted(admin, PAGE, _form(title="Acme GmbH", no_logo="on"))
    assert _acme().logo == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"accent": "red;}</style><script>alert(1)</script>"}, "aria-invalid"),
        ({"title": ""}, "Enter a display name."),
        ({"networks": "10.0.0.0/99"}, "Fix the errors below"),
        ({"mail_from": "no address"}, "Enter a valid email address."),
        ({"domains": "acme.test\nnot a host"}, "is no host name"),
        ({"domains": "acme.test\nother.test"}, "is already used by another tenant"),
        ({"domains": "acme.test\nlocalhost"}, "is reserved for the default tenant"),
        ({"domains": "elsewhere.example"}, "You are using acme.test"),
        ({"domains": ""}, "You are using acme.test"),
        ({"logo": SimpleUploadedFile("x.png", b"<html>", "image/png")}, "Choose a PNG"),
        ({"logo": SimpleUploadedFile("x.html", b"<html>", "text/html")}, "Choose a PNG"),
        ({"logo": SimpleUploadedFile("x.png", PNG + b"0" * 49 * 1024, "image/png")}, "Choose a PNG"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    acme: Tenant, door: Doors, changed: dict[str, object], message: str
) -> None:
    """Each error is at its field with what was typed.

    No domain of another tenant is accepted, and the domain in use cannot be removed.
    """
    admin = signed_in(door, "admin")
    before = edit.load("tenant", "acme")
    page = posted(admin, PAGE, _form(**{"title": "Typed", **changed}), status=400)
    assert message in page
    assert "<script>alert" not in page
    assert edit.load("tenant", "acme") == before
    assert Domain.objects.filter(name="other.test").get().tenant.name == "other"


def test_a_conflicting_edit_is_reported(acme: Tenant, door: Doors) -> None:
    """A conflicting edit is a 409 and overwrites nothing; a second click does so knowingly."""
    admin, form = signed_in(door, "admin"), _form(title="Mine")
    edit.save("tenant", {"tenant": "acme", "title": "Theirs"}, by="bob")
    page = posted(admin, PAGE, form, status=409)
    assert "Someone else changed this" in page
    assert _acme().title == "Theirs"
    posted(admin, PAGE, _form(title="Mine"))
    assert _acme().title == "Mine"


def test_the_preview_shows_what_is_not_saved_and_only_in_our_own_frame(acme: Tenant, door: Doors) -> None:
    """B19: only this site may frame this address, which submits no form and writes nothing."""
    admin = signed_in(door, "admin")
    response = admin.http.post(PREVIEW, _form(title="Not yet", accent="#facc15"))
    page = response.content.decode()
    assert "Not yet" in page
    assert "--accent:#facc15;--accent-text:#000000" in page
    assert ("Button contrast: 13.7:1 with its text, 1.5:1 on a light page, 11.7:1 on a dark page.") in page
    assert "Below 3:1" in page
    policy = response["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "form-action 'none'" in policy
    assert "unsafe" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert _acme().title == "Acme"
    assert (
        "</style><script>"
        not in admin.http.post(PREVIEW, _form(accent="#fff</style><script>")).content.decode()
    )
    assert "frame-ancestors 'none'" in admin.http.get(PAGE)["Content-Security-Policy"]


def test_an_editor_looks_and_does_not_touch(acme: Tenant, door: Doors) -> None:
    """A flow editor sees the form without a button."""
    editor = signed_in(door, "editor")
    page = text(editor, PAGE)
    assert "<fieldset disabled>" in page
    assert ">Save<" not in page
    assert editor.http.post(PAGE, _form(title="Hacked")).status_code == 403
    assert editor.http.post(PREVIEW, _form(title="Hacked")).status_code == 403
    assert _acme().title == "Acme"


@pytest.mark.parametrize(
    "logo",
    [
        "//evil.example/x.svg",
        "/\\evil.example/x.svg",
        "/\t/evil.example",
        "https://evil.example/x",
        "javascript:alert(1)",
    ],
)
def test_no_picture_comes_from_elsewhere(acme: Tenant, door: Doors, logo: str) -> None:
    """A path that browsers read as another host's is refused.

    This holds for a tenant, an application and a blueprint.
    """
    program = Program(mint("admin"))
    for path in ("branding", "applications/tv"):
        assert program("PATCH", path, {"logo": logo}, if_match="*").status_code in (400, 409)
        assert program("PATCH", path, {"logo": "/static/mark.svg?v=1//2"}, if_match="*").status_code == 200
    for head in ("tenant: acme", "application: tv"):
        assert (
            program("POST", "blueprints/plan", {"text": f"{head}\nlogo: {json.dumps(logo)}\n"}).status_code
            == 400
        )
