"""The preview in the console: the real page in a frame that cannot be used.

No other page can be framed.
"""

import pytest
from django.db import connection

from flows.editing.drafts import save_draft
from flows.models import Run
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door
from tests.support.flows import drawing, only_select
from tests.web.console.pages import entered
from tests.web.console.signed_in import text

HERE = "/console/flows/connect-a-device/preview"


def test_a_steps_page_stands_beside_the_steps(acme: Tenant) -> None:
    """The page shows two widths of the step's page, its texts in words, and the steps to choose from."""
    page = text(entered("acme.test", acme, "editor"), f"{HERE}?step=password&state=wrong&scheme=dark")
    assert page.count(f'<iframe src="{HERE}/page?step=password&amp;state=wrong&amp;scheme=dark"') == 2
    assert page.count('aria-current="step"') == 1
    assert "<dd>Enter your password</dd>" in page
    assert "Version 1 · live" in " ".join(page.split())


def test_the_framed_page_is_the_real_one_in_the_tenants_look(acme: Tenant) -> None:
    """Branding, texts and fields are those that people see, and a wrong answer shows its message."""
    seen = text(entered("acme.test", acme, "editor"), f"{HERE}/page?step=password&state=wrong")
    assert "#4f46e5" in seen
    assert "Enter your password" in seen
    assert "Incorrect username or password." in seen
    assert "robin" in seen


def test_the_framed_page_cannot_be_used(acme: Tenant) -> None:
    """The framed page is inert and without a script, and its policy forbids submitting a form.

    Only pages of the console may frame it.
    """
    opened = entered("acme.test", acme, "editor")
    for step in ("identification", "password", "device_code", "consent", "finish"):
        response = opened.get(f"{HERE}/page?step={step}")
        seen, policy = response.content.decode(), response["Content-Security-Policy"]
        assert "<body inert>" in seen
        assert "<script" not in seen
        for directive in (
            "script-src 'none'",
            "form-action 'none'",
            "connect-src 'none'",
            "frame-ancestors 'self'",
        ):
            assert directive in policy
        assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_what_its_form_would_post_reaches_nothing(acme: Tenant) -> None:
    """A manual POST of its form has no effect: it names no run, and its token is valid for none."""
    opened = entered("acme.test", acme, "editor")
    runs = Run.objects.count()
    assert (
        opened.http.post(
            "/flow/preview/", {"step": "password", "token": "", "password": "alice-password-1"}
        ).status_code
        == 404
    )
    assert Run.objects.count() == runs


def test_only_this_page_may_be_framed(acme: Tenant) -> None:
    """The surrounding page and the sign-in itself may not be framed."""
    opened = entered("acme.test", acme, "editor")
    for path in (HERE, "/", "/console/flows/connect-a-device/try"):
        response = opened.get(path)
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert response["X-Frame-Options"] == "DENY"
    assert "frame-src 'self'" in opened.get(HERE)["Content-Security-Policy"]
    assert "frame-src" not in opened.get("/")["Content-Security-Policy"]


def test_looking_writes_nothing(acme: Tenant) -> None:
    """Showing every step in every state runs no statement but SELECT."""
    opened = entered("acme.test", acme, "editor")
    events = Event.objects.count()
    with connection.execute_wrapper(only_select):
        for step in ("identification", "password", "login", "device_code", "consent", "finish"):
            for more in ("", "&state=wrong", "&scheme=dark&face=plain"):
                text(opened, f"{HERE}?step={step}{more}")
                text(opened, f"{HERE}/page?step={step}{more}")
    assert Event.objects.count() == events


def test_the_style_sheet_has_one_scheme(acme: Tenant) -> None:
    """Each color scheme is a whole style sheet, regardless of what the reader's browser prefers."""
    opened = entered("acme.test", acme, "auditor")
    light, dark = (text(opened, f"/console/preview/{scheme}.css") for scheme in ("light", "dark"))
    assert ("@media not all" in light, "color-scheme: light;" in light) == (True, True)
    assert ("@media all" in dark, "color-scheme: dark;" in dark) == (True, True)
    assert "prefers-color-scheme" not in light + dark
    text(opened, "/console/preview/pink.css", 404)


def test_the_draft_is_shown_first_and_one_that_is_no_flow_says_what_is_wrong(acme: Tenant) -> None:
    """An invalid draft shows its errors with links to the editor and to the live version."""
    opened = entered("acme.test", acme, "editor")
    save_draft(
        "connect-a-device",
        drawing("identification", {"stage": "choice", "id": "colour"}).as_json(),
        by="editor",
        revision=None,
    )
    assert "colour" in text(opened, HERE)
    assert "colour" not in text(opened, f"{HERE}?which=1")
    save_draft("connect-a-device", {"for": "device_code", "steps": "none"}, by="editor", revision=1)
    page = text(opened, HERE)
    assert "The draft isn't a valid flow" in page
    assert 'href="?which=1"' in page
    text(opened, f"{HERE}/page", 404)


def test_a_step_without_a_page_is_described_in_words(acme: Tenant) -> None:
    """A step without a page, or one that redirects the browser, is described instead of framed."""
    opened = entered("acme.test", acme, "editor")
    assert "continues automatically" in text(opened, f"{HERE}?step=login")
    steps = ({"stage": "redirect", "settings": {"to": "https://example.test/there"}},)
    save_draft("connect-a-device", drawing(*steps).as_json(), by="editor", revision=None)
    page = text(opened, HERE)
    assert "https://example.test/there" in page
    assert "<iframe" not in page


@pytest.mark.parametrize("path", [HERE, f"{HERE}/page"])
def test_who_may(acme: Tenant, other: Tenant, path: str) -> None:
    """Another tenant's flows and unknown steps are a 404, and the help desk may not see flows.

    Anonymous visitors are sent to the sign-in.
    """
    text(entered("acme.test", acme, "auditor"), path)
    text(entered("acme.test", acme, "editor"), f"{path}?step=nonsense", 404)
    text(entered("acme.test", acme, "helpdesk"), path, 403)
    assert Door().get(path).status_code == 303
    with tenant_scope(other):
        save_draft("theirs", drawing("identification", flow="theirs").as_json(), by="editor", revision=None)
    text(entered("acme.test", acme, "editor"), path.replace("connect-a-device", "theirs"), 404)
    text(entered("acme.test", acme, "editor"), f"{path}?which=99", 404)
    text(entered("acme.test", acme, "editor"), f"{path}?which=%00", 404)


def test_hostile_words_of_a_flow_are_only_words(acme: Tenant) -> None:
    """Titles of a draft are text on the page and in the frame."""
    evil = "<img src=x onerror=alert(1)>"
    step = {
        "stage": "choice",
        "settings": {"title": evil, "text": evil, "options": [{"value": "a", "title": evil}, {"value": "b"}]},
    }
    save_draft("connect-a-device", drawing(step).as_json(), by="editor", revision=None)
    opened = entered("acme.test", acme, "editor")
    for path in (HERE, f"{HERE}/page"):
        assert "<img src=x" not in text(opened, path)
