"""The page of a device: its timeline, the button that ends it, its roles, and its live updates."""

import re

import pytest

from idp.accounts.people import save_person
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Seen


def signed_in(door: Doors, role: str, host: str = "acme.test") -> Door:
    """Return a door signed in as alice with this role; call it with her tenant in scope."""
    save_person("alice", role=role, by="test")
    browser = door(host)
    browser.sign_in()
    return browser


def press(page: Seen, pk: int) -> Seen:
    """Post the form of the button, and return the page after it."""
    response = page.door.http.post(f"/console/devices/{pk}/revoke", page.hidden, follow=True)
    return Seen(page.door, response, f"/console/devices/{pk}/")


def words(page: Seen) -> str:
    """Return the visible text."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def test_the_timeline_on_one_page(acme: Tenant, door: Doors) -> None:
    """The timeline shows the origin, the scopes, the person and the further course, and no code.

    The list links to it, and it links to the person and the application.
    """
    browser, device = signed_in(door, "helpdesk"), door(address="203.0.113.7", agent="<b>Acme</b> TV/2.1")
    started = device.start(scope="openid profile")
    pk = DeviceCode.objects.get().pk
    assert f"/console/devices/{pk}/" in browser.page("/console/devices/").text
    waiting = browser.page(f"/console/devices/{pk}/")
    assert "Pending" in words(waiting)
    assert "&lt;b&gt;Acme&lt;/b&gt; TV/2.1" in waiting.text
    browser.approve(started)
    device.poll(started)
    page = browser.page(f"/console/devices/{pk}/")
    for text in (
        "Connected",
        "Code requested from 203.0.113.7",
        "Code entered by alice",
        "Approved by alice",
        "See your name and username",
    ):
        assert text in words(page), text
    assert all(
        link in page.text
        for link in ('href="/console/people/one/alice"', 'href="/console/applications/one/tv"')
    )
    assert started.user_code not in page.text
    assert started.device_code not in page.text


def test_the_button_ends_it_at_once(acme: Tenant, door: Doors) -> None:
    """One confirmed POST ends the device, which gets access_denied.

    The page says what happened and by whom, and offers no button any more.
    """
    browser, device = signed_in(door, "helpdesk"), door()
    started = device.start()
    pk = DeviceCode.objects.get().pk
    browser.approve(started)
    after = press(browser.page(f"/console/devices/{pk}/"), pk)
    assert "Access revoked." in after.text
    assert "Revoked by alice" in words(after)
    assert f"/console/devices/{pk}/revoke" not in after.text
    assert device.poll(started).json()["error"] == "access_denied"
    assert Event.objects.get(kind="device.revoked").actor == "alice"
    assert "Nothing left to revoke" in press(after, pk).text


def test_a_get_revokes_nothing(acme: Tenant, door: Doors) -> None:
    """D30: a GET changes nothing, even at the button's address, and another site's form is refused."""
    browser = signed_in(door, "helpdesk")
    browser.start()
    pk = DeviceCode.objects.get().pk
    browser.page(f"/console/devices/{pk}/")
    assert "Deny this request?" in browser.page(f"/console/devices/{pk}/revoke").text
    browser.http.handler.enforce_csrf_checks = True
    assert browser.http.post(f"/console/devices/{pk}/revoke", {}).status_code == 403
    assert DeviceCode.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("role", "sees", "revokes"),
    [("auditor", 200, 403), ("editor", 403, 403), ("", 403, 403), ("helpdesk", 200, 200)],
)
def test_who_may(acme: Tenant, door: Doors, role: str, sees: int, revokes: int) -> None:
    """An auditor sees the page without a button; a flow editor and a person without a role see nothing."""
    browser = signed_in(door, role)
    browser.start()
    pk = DeviceCode.objects.get().pk
    page = browser.page(f"/console/devices/{pk}/")
    assert page.status == sees
    assert (f"/console/devices/{pk}/revoke" in page.text) == (revokes == 200)
    assert press(page, pk).status == revokes


def test_another_tenants_device_is_not_there(acme: Tenant, other: Tenant, door: Doors) -> None:
    """D25: page and button are a 404, as for a number that no device has."""
    door().start()
    pk = DeviceCode.objects.get().pk
    with tenant_scope(other):
        stranger = signed_in(door, "owner", "other.test")
    for number in (pk, pk + 1, 10**17, 10**30):
        page = stranger.page(f"/console/devices/{number}/")
        assert (page.status, press(stranger.page("/console/"), number).status) == (404, 404)
    assert DeviceCode.objects.get().state == "pending"
