"""Recovery links: one use, fifteen minutes, stored hashed, and worth nothing to anyone who only looks."""

import re
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from idp.accounts.models import Person, RecoveryLink, Session
from idp.accounts.recovery import create_link
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.foundation.sealing import digest
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant
from tests.support.client import Doors

GOOD = "a quiet orchard in March"


@pytest.fixture
def link(acme: Tenant) -> str:
    """For alice."""
    return f"/recover/{create_link(Person.objects.get(username='alice'), by='test')}"


def works(door: Doors, password: str, host: str = "acme.test") -> bool:
    """Whether alice can sign in with this password."""
    return door(host).sign_in(password=password).step == "device_code"


def test_a_link_sets_a_new_password_once(acme: Tenant, door: Doors, link: str) -> None:
    """A POST sets it; afterwards neither the link nor the old password works."""
    browser = door()
    assert "alice" in browser.get(link).content.decode()
    assert browser.page(link).submit(password=GOOD).title == "Password changed"
    again = browser.page(link)
    assert (again.status, again.title) == (404, "This link has expired")
    assert browser.http.post(link, {"password": "another good long one"}).status_code == 404
    assert works(door, GOOD)
    assert not works(door, "alice-password-1")


def test_looking_changes_nothing(acme: Tenant, door: Doors, link: str) -> None:
    """GET and HEAD, as mail scanners do, leave the link, the password and the sessions alone."""
    browser = door()
    browser.sign_in()
    for method in (browser.http.get, browser.http.head):
        for query in ("", f"?password={GOOD}"):
            assert method(link + query).status_code == 200
    assert RecoveryLink.objects.get().used_at is None
    assert browser.page().step == "device_code"
    assert browser.page(link).submit(password=GOOD).title == "Password changed"


def test_only_its_hash_is_stored(acme: Tenant, link: str) -> None:
    """No one who reads the table can use the link; the event does not contain it either."""
    token = link.rsplit("/", 1)[1]
    assert len(token) == 64
    assert RecoveryLink.objects.get().token_hash == digest(token)
    assert token not in str(list(Event.objects.values())) + str(list(RecoveryLink.objects.values()))


def test_it_is_good_for_fifteen_minutes(
    door: Doors, clock: time_machine.Traveller, tenants: dict[str, Tenant]
) -> None:
    """CVE-2025-64708: the age is checked when the link is used, whether or not a sweep ran."""
    with tenant_scope(tenants["acme"]):
        link = f"/recover/{create_link(Person.objects.get(username='alice'), by='test')}"
    seen = door().page(link)
    clock.shift(timedelta(minutes=14, seconds=59))
    assert seen.door.page(link).title == "Set a new password"
    clock.shift(timedelta(seconds=1))
    assert seen.submit(password=GOOD).status == 404
    assert works(door, "alice-password-1")


def test_a_newer_link_ends_the_older(acme: Tenant, door: Doors, link: str) -> None:
    """One at a time for each person."""
    newer = f"/recover/{create_link(Person.objects.get(username='alice'), by='test')}"
    assert door().page(link).status == 404
    assert door().page(newer).status == 200


@pytest.mark.parametrize("weak", ["short", "password123", "1234567890", "alice@acme.test", "aliceacme1"])
def test_a_weak_password_is_refused_and_the_link_stays_good(door: Doors, link: str, weak: str) -> None:
    """Too short, too common, too much like the person; the page says so, and the old password still works."""
    seen = door().page(link).submit(password=weak)
    assert (seen.status, seen.title) == (200, "Set a new password")
    assert 'class="errors"' in seen.text
    assert works(door, "alice-password-1")
    assert seen.submit(password=GOOD).title == "Password changed"


def test_every_session_ends(acme: Tenant, door: Doors, link: str) -> None:
    """CVE-2025-29928: all sessions of the person end at once; bob's goes on."""
    browsers = [door(), door(), door()]
    for browser in browsers[:2]:
        browser.sign_in()
    browsers[2].sign_in("bob", "bob-password-22")
    door().page(link).submit(password=GOOD)
    assert [browser.page().step for browser in browsers] == [
        "identification",
        "identification",
        "device_code",
    ]
    assert Session.objects.filter(person__username="alice", ended_at=None).count() == 0


def test_proofs_by_the_old_password_are_worth_nothing(
    acme: Tenant, door: Doors, link: str, clock: time_machine.Traveller
) -> None:
    """B15: tokens issued before are refused at refresh and userinfo, a device approved before gets none."""
    browser = door()
    started, waiting = browser.start(scope="openid offline_access"), browser.start()
    browser.approve(started)
    browser.approve(waiting)
    tokens = browser.poll(started).json()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {tokens['access_token']}"}
    assert browser.get("/application/o/userinfo/", **bearer).status_code == 200
    clock.shift(1)
    door().page(link).submit(password=GOOD)
    assert browser.get("/application/o/userinfo/", **bearer).status_code == 401
    form = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": tokens["refresh_token"]}
    refreshed = browser.post("/application/o/token/", form)
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
    polled = browser.poll(waiting)
    assert (polled.status_code, polled.json()["error"]) == (400, "access_denied")
    assert set(DeviceCode.objects.values_list("state", flat=True)) <= {"redeemed", "revoked"}


def test_a_link_counts_in_its_tenant_only(door: Doors, link: str) -> None:
    """D25: at the other tenant's host there is no such link, and that tenant's alice keeps her password."""
    foreign = door("other.test")
    assert foreign.page(link).status == 404
    assert foreign.http.post(link, {"password": GOOD}).status_code == 404
    assert works(door, "alice-password-1", "other.test")
    assert door().page(link).status == 200


def test_an_inactive_persons_link_is_no_good(acme: Tenant, door: Doors, link: str) -> None:
    """CVE-2025-53942: there is no second path for a person who was deactivated."""
    Person.objects.filter(username="alice").update(is_active=False)
    assert door().page(link).status == 404
    assert door().http.post(link, {"password": GOOD}).status_code == 404


@pytest.mark.parametrize("token", ["x", "0" * 64, "é", "%00", "..", "a" * 5000])
def test_an_unknown_link_is_a_404(tenants: dict[str, Tenant], door: Doors, token: str) -> None:
    """Any unknown link leads to a 404 page."""
    assert door().http.get(f"/recover/{token}").status_code == 404


def test_the_form_of_another_site_sets_nothing(door: Doors, link: str) -> None:
    """Login CSRF: without the page's own token the POST is refused."""
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="acme.test")
    assert strict.post(link, {"password": GOOD}).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', strict.get(link).content.decode())
    assert token
    assert works(door, "alice-password-1")
    assert strict.post(link, {"password": GOOD, "csrfmiddlewaretoken": token[1]}).status_code == 303
    assert works(door, GOOD)


def test_the_command_prints_a_link_for_the_right_tenant(tenants: dict[str, Tenant], door: Doors) -> None:
    """``manage.py person recovery-link NAME --tenant …``: only the address on standard output."""
    out = StringIO()
    call_command("person", "recovery-link", "ALICE", tenant="other", stdout=out)
    address = out.getvalue().strip()
    assert re.fullmatch(r"https://other\.test/recover/[0-9a-f]{64}", address)
    path = address.removeprefix("https://other.test")
    assert door().page(path).status == 404
    assert door("other.test").page(path).submit(password=GOOD).title == "Password changed"
    recorded = Event.unscoped.get(kind="person.recovery_link_made")
    assert (recorded.tenant.name, recorded.actor, recorded.target) == ("other", "command line", "alice")


def test_the_command_for_the_default_tenant_is_on_this_machine(
    tenants: dict[str, Tenant], settings: Settings
) -> None:
    """Without a domain it is http://localhost; --url says otherwise."""
    with tenant_scope(save_tenant("default", title="Foyer")):
        Person.objects.create(username="alice")
    cases: list[tuple[list[str], str]] = [
        ([], f"http://localhost:{settings.PORT}"),
        (["--url", "https://id.example/"], "https://id.example"),
    ]
    for more, prefix in cases:
        out = StringIO()
        call_command("person", "recovery-link", "alice", *more, stdout=out)
        assert out.getvalue().startswith(f"{prefix}/recover/")


@pytest.mark.parametrize(
    ("name", "tenant"), [("nobody", "acme"), ("inactive", "acme"), ("alice", "nowhere"), ("alice", "default")]
)
def test_the_command_says_who_is_missing(tenants: dict[str, Tenant], name: str, tenant: str) -> None:
    """There is no link for an unknown person."""
    with pytest.raises(CommandError, match=r"(No active person|There is no tenant)"):
        call_command("person", "recovery-link", name, tenant=tenant)
    assert not RecoveryLink.unscoped.exists()
