"""Attacks of a hostile browser on the console, each with the expected response."""

import re
from urllib.parse import urlencode

import pytest

from flows.editing.drafts import save_draft
from flows.models import Draft, Run
from idp.accounts.models import Person
from idp.events.models import Event
from idp.tenancy.models import Domain, Tenant
from tests.support.client import Doors
from tests.web.console.pages import at, entered, of_the_installation
from tests.web.console.signed_in import installed, posted, signed_in, text
from web.console.urls import PAGES

FLOW = "/console/flows/connect-a-device"
STATES = (
    "",
    "?open=yaml",
    "?open=flow",
    "?at=0",
    "try",
    "try?tests=1",
    "preview",
    "publish",
    "discard",
    "versions",
    "compare",
    "runs",
)


@pytest.mark.parametrize(
    "path",
    [
        "/console/events/?since=0001-01-01T00:00:00%2B14:00",
        "/console/events/?until=9999-12-31T23:59:59-14:00",
        f"{FLOW}/try?time=0001-01-01T00:00&signed_in=pwd&session_age=1h",
        f"{FLOW}/try?time=2026-11-21T18:00&signed_in=pwd&session_age=99999d",
    ],
)
def test_moments_that_nothing_can_hold(acme: Tenant, door: Doors, path: str) -> None:
    """The page reports a time that cannot be represented, and is no 500."""
    page = text(signed_in(door, "admin"), path)
    assert "1970 and 2999" in page or "at most 100 years" in page


@pytest.mark.parametrize("more", [{}, {"HTTP_HX_REQUEST": "true"}])
def test_where_one_is_led_back_to_is_one_line(acme: Tenant, door: Doors, more: dict[str, str]) -> None:
    """The address to return to never adds a line to a header of the response or leads off the console.

    This holds for every value and every content type of the form.
    """
    admin = signed_in(door, "admin")
    for path, form in (
        (
            "/console/people/do/delete",
            {"key": "nobody-there", "sure": "1", "back": "/console/x\rSet-Cookie: a=b"},
        ),
        ("/console/people/do/delete", {"key": "nobody-there", "sure": "1", "back": "//evil.test/console/"}),
        ("/console/people/do/delete", {"key": "nobody-there", "sure": "1", "back": "javascript:alert(1)"}),
        (f"{FLOW}/try/keep", {"query": "a\r\nSet-Cookie: x=1", "name": "x"}),
    ):
        response = admin.post(path, urlencode(form), **more)
        led = response.get("HX-Redirect") or response.get("Location")
        assert re.fullmatch(r"/console/[\x21-\x7e]*", led), (path, led)


def test_half_a_character(acme: Tenant, door: Doors) -> None:
    """Half of a surrogate pair in an attribute is refused, because no database stores it; it is no 500."""
    admin = signed_in(door, "admin")
    posted(admin, "/console/people/add", {"person": "clerk", "attributes": 'desk: "\\ud800"'})
    assert Person.objects.get(username="clerk").attributes == {"desk": "?"}


def test_a_stored_dry_run_fits_every_database(acme: Tenant, door: Doors) -> None:
    """NUL in a field name is refused when a dry run is stored as a test.

    PostgreSQL would refuse that draft, and the builder could not open it.
    """
    admin = signed_in(door, "editor")
    steps = "do.consent=typed&in.consent.decision%00=approve"
    assert "/try" in posted(
        admin, f"{FLOW}/try/keep", {"query": f"{steps}&username=robin", "name": "approves"}
    )
    assert "\\u0000" not in str(list(Draft.objects.values_list("document", flat=True)))
    assert "Test not saved" in text(admin, f"{FLOW}/try")


@pytest.mark.parametrize(
    "wanted",
    ["/console/%00", "/%09//evil.test/", "//evil.test/", "/%5Cevil.test", "https://evil.test/", "/a%0D%0Ab"],
)
def test_sign_in_leads_nowhere_else(tenants: dict[str, Tenant], door: Doors, wanted: str) -> None:
    """``next`` is an ASCII path of this site or the start page; nothing else is even stored."""
    installed()
    seen = door("localhost").page(f"/sign-in?next={wanted}")
    assert "next" not in Run.unscoped.get().state["hints"]
    seen = seen.submit(name="alice").submit(password="alice-password-1")
    assert seen.path == "/", seen.path


def test_another_site_can_post_nothing(inhabited: None, acme: Tenant) -> None:
    """Every form of the console is refused without its CSRF token, and no page is exempt."""
    admin = entered("acme.test", acme, "admin")
    admin.http.handler.enforce_csrf_checks = True
    before = (Event.unscoped.count(), Person.unscoped.count(), Draft.unscoped.count())
    posts = [page for page in PAGES if page.post_operation and not of_the_installation(page)]
    assert len(posts) > 40
    for page in posts:
        response = admin.http.post(at(page), {"key": "bob", "sure": "1"}, HTTP_ORIGIN="https://evil.test")
        assert response.status_code == 403, page.path
    assert (Event.unscoped.count(), Person.unscoped.count(), Draft.unscoped.count()) == before


def test_another_site_can_frame_nothing(inhabited: None, acme: Tenant) -> None:
    """Only the three previews may be framed, and only by pages of the console.

    Nothing in them runs, can be submitted or is stored.
    """
    admin, framed = entered("acme.test", acme, "admin"), set[str]()
    for page in [page for page in PAGES if page.view_operation and not of_the_installation(page)]:
        response = admin.http.get(at(page))
        policy = response["Content-Security-Policy"]
        assert "unsafe-eval" not in policy, page.path
        assert {"default-src 'none'", "base-uri 'none'"} <= set(policy.split("; ")), page.path
        assert response["Cache-Control"] == "no-store" or page.name == "preview-style", page.path
        if "frame-ancestors 'none'" not in policy:
            framed.add(page.name)
            assert {"frame-ancestors 'self'", "form-action 'none'"} <= set(policy.split("; ")), page.path
    assert framed == {"branding-preview", "flow-preview-page", "mail-preview"}


@pytest.mark.parametrize(
    "document",
    [
        {"steps": [[[]]]},
        {"steps": {"0": {"stage": "password"}}},
        {"steps": [{"stage": "password", "steps": [{"stage": {"x": 1}}]}, 7, None]},
        {"title": {"a": [1]}, "for": 7, "steps": "x"},
        {
            "title": "<script>alert(1)</script>",
            "for": "device_code",
            "steps": [{"stage": "deny", "id": "<b>", "when": "<img src=x>"}],
        },
        {
            "title": "x",
            "for": "device_code",
            "steps": [{"stage": "nothing", "settings": {"</script>": ["<img src=x onerror=alert(1)>"]}}],
        },
        {
            "title": "x",
            "for": "device_code",
            "steps": [{"stage": "deny"}],
            "tests": [{"name": "<svg onload=x>", "request": {"time": "x"}}],
        },
        {"title": "x", "for": "device_code", "steps": [{"flow": "</script><script>"}], "tests": {"0": 1}},
        {
            "title": "x",
            "for": "device_code",
            "steps": [{"stage": "redirect", "id": "r", "settings": {"to": "javascript:alert(1)"}}],
        },
    ],
)
def test_a_draft_that_is_no_flow(acme: Tenant, door: Doors, document: dict[str, object]) -> None:
    """A program may store any JSON as a draft; every page about that flow works and shows it as text."""
    save_draft("strange", {"flow": "strange", **document}, by="mallory", revision=None)
    editor = signed_in(door, "editor")
    for path in STATES:
        response = editor.http.get(f"/console/flows/strange/{path}")
        page = response.content.decode()
        assert response.status_code in (200, 404), path
        assert not re.search(
            r"<(script|img|svg|b)\b[^>]*(alert|onload|onerror|src=x)|<script>|<b>&|href=.javascript", page
        ), path


def test_no_tenant_takes_the_visitors_of_another(acme: Tenant, other: Tenant, door: Doors) -> None:
    """The console refuses the domains that the API refuses.

    The installation's owner may set them on the page of that tenant.
    """
    Domain.objects.create(tenant=other, name="*.shops.test", approved=True)
    admin, path = signed_in(door, "admin"), "/console/branding/"
    etag = re.search(r'name="etag" value="(\w+)"', text(admin, path))
    assert etag
    form = {"title": "Acme", "accent": "#4f46e5", "domains": "acme.test\nlogin.shops.test", "etag": etag[1]}
    posted(admin, path, form, status=403)
    assert not Domain.objects.filter(name="login.shops.test").exists()
    installed()
    owner = door("localhost")
    owner.sign_in(path="/sign-in?next=/console/tenants/")
    posted(owner, "/console/tenants/one/acme", {"domains": "acme.test\nlogin.shops.test"})
    assert Domain.objects.get(name="login.shops.test").tenant == acme
