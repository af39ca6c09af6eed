"""The playground's page: its data about the tenant, its explanations, the QR code, and its roles."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from idp.accounts.models import Person, Role
from idp.foundation.sealing import digest
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application
from tests.support.client import DEVICE_CODE, Door, Doors
from tests.support.oauth import DEVICE, TOKEN, basic, claims_of, connect
from web.console.explanations import explanations

PATH = "/console/playground/"


@pytest.fixture
def editor(tenants: dict[str, Tenant], door: Doors) -> Door:
    """A flow editor of acme, signed in: the least role that the playground requires."""
    with tenant_scope(tenants["acme"]):
        Person.objects.filter(username="alice").update(role=Role.EDITOR)
    opened = door()
    opened.sign_in()
    return opened


def facts(editor: Door) -> dict[str, Any]:
    """Return the data that the page passes to its script."""
    found = re.search(
        r'<script id="facts" type="application/json">(.*?)</script>',
        editor.get(PATH).content.decode(),
        re.DOTALL,
    )
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_it_knows_what_it_can_be(editor: Door, acme: Tenant) -> None:
    """Every active application with an initial grant is listed with its scopes, and no secret or hash."""
    values = {
        "confidential": True,
        "secret_hash": digest("backup"),
        "scopes": ["acme:read", "openid"],
        "grants": ["client_credentials"],
    }
    save_application("backup", by="test", **values)
    data = facts(editor)
    known = {each["name"]: each for each in data["applications"]}
    assert sorted(known) == ["backup", "kiosk", "staff-console", "tv"]
    assert [scope["name"] for scope in known["backup"]["clients"]["service"]] == ["acme:read"]
    assert [scope["name"] for scope in known["tv"]["clients"]["device"]] == [
        "openid",
        "profile",
        "email",
        "offline_access",
        "acme:read",
    ]
    assert (known["backup"]["confidential"], known["tv"]["confidential"]) == (True, False)
    assert data["provider"]["issuer"] == "http://acme.test"
    assert digest("backup") not in editor.get(PATH).content.decode()
    save_application("tv", by="test", is_active=False)
    assert "tv" not in [each["name"] for each in facts(editor)["applications"]]


def test_many_applications_cost_no_more_queries(
    editor: Door, acme: Tenant, django_assert_max_num_queries: Any
) -> None:
    """The number of queries does not grow with the applications, and the requested one is always listed."""
    many = [
        Application(name=f"app-{number}", title=f"A {number}", grants=[DEVICE_CODE], scopes=["openid"])
        for number in range(300)
    ]
    Application.objects.bulk_create(many)
    with django_assert_max_num_queries(12):
        page = editor.get(f"{PATH}?application=tv").content.decode()
    assert 'value="tv" selected' in page
    assert "A 0" in page


def test_the_setup_page_leads_to_its_application(editor: Door) -> None:
    """The requested application is selected, and an unknown name selects nothing."""
    assert '<option value="kiosk" selected>' in editor.get(f"{PATH}?application=kiosk").content.decode()
    assert " selected>" not in editor.get(f'{PATH}?application="><script>').content.decode()


def test_nothing_to_play_with(editor: Door, acme: Tenant) -> None:
    """A role that may create applications gets a link to do so; the others learn whom to ask."""
    Application.objects.update(grants=[])
    page = editor.get(PATH).content.decode()
    assert "No applications yet" in page
    assert "Ask an administrator" in page
    assert "playground.js" not in page
    Person.objects.filter(username="alice").update(role=Role.ADMIN)
    assert 'href="/console/applications/new"' in editor.get(PATH).content.decode()


def test_titles_are_data(editor: Door, acme: Tenant) -> None:
    """CVE-2026-42849: a hostile title ends neither the element that holds the data nor an option."""
    save_application("tv", by="test", title='</script><script>alert(1)</script>"')
    assert "<script>alert" not in editor.get(PATH).content.decode()
    assert (
        next(each for each in facts(editor)["applications"] if each["name"] == "tv")["title"]
        == '</script><script>alert(1)</script>"'
    )


def test_everything_that_comes_is_explained(editor: Door, door: Doors, acme: Tenant) -> None:
    """Each member of each response, each claim of each token and each parameter has its explanation."""
    tables = explanations()
    device = door()
    started = device.post(DEVICE, {"client_id": "tv", "scope": "openid"}).json()
    pending = device.post(TOKEN, {"client_id": "tv", "grant_type": "x"}).json()
    tokens = connect(door)
    assert not {*started, *pending, *tokens, "client_id", "client_secret", "grant_type", "device_name"} - set(
        tables["members"]
    )
    for token in (tokens["access_token"], tokens["id_token"]):
        assert not {*claims_of(token), "alg", "kid", "typ"} - set(tables["claims"])
    values = {
        "confidential": True,
        "secret_hash": digest("backup"),
        "grants": ["client_credentials"],
        "client_id": "backup",
    }
    save_application("backup", by="test", **values)
    service = door().post(TOKEN, {"grant_type": "client_credentials"}, **basic("backup", "backup")).json()
    assert not set(claims_of(service["access_token"])) - set(tables["claims"])
    for table in tables.values():
        for name, data in table.items():
            assert data["text"].endswith("."), name
            assert re.fullmatch(r"https://(www\.rfc-editor\.org|openid\.net)/.+#.+|", data["url"]), name


def test_the_picture_holds_the_link(editor: Door) -> None:
    """RFC 8628 section 3.3.1: the QR image is for this page only, and exists for user codes only."""
    drawn = editor.get(f"{PATH}qr?code=BCDF-GHJK")
    assert (drawn.status_code, drawn["Content-Type"]) == (200, "image/svg+xml")
    assert drawn.content.startswith(b"<svg")
    assert drawn.content != editor.get(f"{PATH}qr?code=BCDF-GHJL").content
    for code in ("", "bcdf-ghjk", "BCDF", "BCDF-GHJK\n", "BCDF-GHJK&x=1", "https://evil.test"):
        assert editor.get(f"{PATH}qr", QUERY_STRING=urlencode({"code": code})).status_code == 404, code


@pytest.mark.parametrize(
    ("role", "status"), [("", 403), (Role.AUDITOR, 403), (Role.HELPDESK, 403), (Role.ADMIN, 200)]
)
def test_roles(editor: Door, acme: Tenant, role: str, status: int) -> None:
    """The page and the QR code require ``playground.use``."""
    Person.objects.filter(username="alice").update(role=role)
    assert [editor.get(path).status_code for path in (PATH, f"{PATH}qr?code=BCDF-GHJK")] == [status, status]


def test_another_tenant_is_not_shown(editor: Door, other: Tenant) -> None:
    """A role in one tenant shows neither its applications in another, nor the page there."""
    with tenant_scope(other):
        save_application("theirs", by="test", grants=[DEVICE_CODE])
    assert "theirs" not in [each["name"] for each in facts(editor)["applications"]]
    assert editor.http.get(PATH, HTTP_HOST="other.test").status_code in (302, 303, 403)
