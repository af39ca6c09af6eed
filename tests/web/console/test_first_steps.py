"""The first steps: progress is read from the data, the next step is offered, and they can be dismissed."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from blueprints.files.apply import apply
from blueprints.files.drift import record_drift, stored_drift
from blueprints.objects import edit
from idp.accounts.models import Credential, Person
from idp.devices.models import DeviceCode
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.support.credentials import give_totp
from tests.web.console.signed_in import installed, posted, signed_in, text

PAGE, DISMISS, OVERVIEW = "/console/first-steps/", "/console/first-steps/dismiss", "/console/"


@pytest.fixture
def owner(db: None, door: Doors) -> Door:
    """A door signed in as alice at a new installation."""
    installed()
    opened = door("localhost")
    opened.sign_in(path="/sign-in")
    return opened


def done(page: str) -> list[bool]:
    """Return which of the steps are checked off."""
    listed = page[page.index('<ol class="first-steps">') :]
    return ["done" in each for each in re.findall(r'<li class="(\w*)"', listed[: listed.index("</ol>")])]


def following(page: str) -> str:
    """Return where the one primary button leads."""
    found = re.search(
        r'class="button primary" href="([^"]+)"', page[page.index('<ol class="first-steps">') :]
    )
    return found[1] if found else ""


def test_each_step_is_done_once_it_is_done(owner: Door, door: Doors) -> None:
    """Each step is checked off by doing it, from an empty installation to all of them.

    Looking at a step does not check it off, and undoing it removes the check mark.
    """
    with tenant_scope(Tenant.objects.get(name="default")):
        assert done(text(owner, PAGE)) == [False] * 5
        assert following(text(owner, PAGE)) == "/console/branding/"
        edit.save("tenant", {"tenant": "default", "title": "Bakery"}, by="alice")
        assert following(text(owner, PAGE)) == "/credentials?next=/console/first-steps/"
        Credential.objects.create(person=Person.objects.get(), kind="totp")
        assert following(text(owner, PAGE)) == "/console/applications/new"
        edit.save(
            "application", {"application": "demo", "title": "Demo", "client_id": "demo-device"}, by="alice"
        )
        assert not done(text(owner, PAGE))[3], "the shipped application is not their own"
        values = {
            "application": "oven",
            "title": "Oven",
            "client_id": "oven",
            "grants": ["device_code"],
            "scopes": ["openid"],
        }
        edit.save("application", values, by="alice")
        assert following(text(owner, PAGE)) == "/console/playground/"
        started = door("localhost").start("oven", "openid")
        DeviceCode.objects.update(state="redeemed")
        assert started.device_code
        page = text(owner, PAGE)
        assert done(page) == [True, False, True, True, True], "the domain can wait on this machine"
        assert following(page) == ""
        assert "You're all set" in page
        edit.save("tenant", {"tenant": "default", "domains": ["login.bakery.test"]}, by="alice")
        assert done(text(owner, PAGE)) == [True] * 5
        Application.objects.all().delete()
        assert not done(text(owner, PAGE))[3]


def test_the_overview_leads_there_until_it_is_put_away(owner: Door) -> None:
    """The overview links to the first steps until they are dismissed in this browser.

    Their own page brings the link back.
    """
    assert 'id="first-steps-title"' in text(owner, OVERVIEW)
    assert posted(owner, DISMISS, {}) == OVERVIEW
    assert 'id="first-steps-title"' not in text(owner, OVERVIEW)
    assert "Show on overview" in text(owner, PAGE)
    assert posted(owner, DISMISS, {"again": "1"}) == PAGE
    assert 'id="first-steps-title"' in text(owner, OVERVIEW)


def test_roles_that_could_not_do_it_are_not_asked(acme: Tenant, door: Doors) -> None:
    """Neither an auditor nor a flow editor is asked, and a configured tenant asks for the remaining steps."""
    for role in ("auditor", "editor", "helpdesk"):
        someone = signed_in(door, role)
        assert 'id="first-steps-title"' not in text(someone, OVERVIEW)
        assert someone.http.get(PAGE).status_code == 403
    assert done(text(signed_in(door, "admin"), PAGE)) == [True, True, False, True, False]


def test_the_tour_raises_no_alarm(owner: Door) -> None:
    """The steps change nothing that a shipped blueprint manages.

    Nothing has drifted afterwards, and applying the shipped file changes nothing.
    """
    with tenant_scope(Tenant.objects.get(name="default")):
        known = edit.load("tenant", "default")
        assert known
        face = {
            "title": "Bakery",
            "accent": "#0f766e",
            "domains": "login.bakery.test",
            "networks": "",
            "mail_from": "",
        }
        posted(owner, "/console/branding/", {**face, "etag": known.digest})
        posted(owner, "/console/applications/new/tv", {"title": "Oven"})
        give_totp()
        record_drift()
        assert stored_drift() == []
        assert "as its blueprint says" not in text(owner, OVERVIEW)
        apply([Path(settings.BASE_DIR) / "blueprints" / "default" / "10-tenant.yaml"])
        assert Tenant.objects.get(name="default").title == "Bakery"
