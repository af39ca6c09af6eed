"""A device's timeline: everything that happened to it, from its row, tokens and events.

Also its revocation, which takes effect at once.
"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from idp.accounts.models import Person
from idp.devices import timeline
from idp.devices.models import DeviceCode
from idp.devices.tasks import expire_device_codes
from idp.events.models import Event
from idp.oauth.models import TokenFamily
from idp.oauth.tasks import sweep_tokens
from idp.oauth.tokens import revoke_family
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Started
from tests.support.oauth import userinfo

SCOPE = "openid offline_access"


def clerk() -> Person:
    """A person of the support role."""
    return Person(username="clerk", role="helpdesk")


def refresh(device: Door, tokens: dict[str, Any]) -> Any:
    """Request new tokens as the device does."""
    form = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": tokens["refresh_token"]}
    return device.post("/application/o/token/", form)


def newest() -> int:
    """The primary key of the device that started last."""
    return DeviceCode.objects.order_by("-pk").values_list("pk", flat=True)[0]


def entries(pk: int) -> list[tuple[str, str]]:
    """What happened to a device, and who did it."""
    found = timeline.load_timeline(pk)
    assert found is not None
    assert [moment.at for moment in found.moments] == sorted(moment.at for moment in found.moments)
    return [(moment.what, moment.by) for moment in found.moments]


def connected(door: Doors) -> tuple[Door, Started, dict[str, Any]]:
    """A device that alice approved and that has its tokens."""
    device = door(address="203.0.113.7", agent="Acme TV/2.1")
    started = device.start(scope=SCOPE)
    door().approve(started)
    return device, started, device.poll(started).json()


def test_the_whole_timeline(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """Requested from where, entered and decided by whom, connected, refreshed, revoked.

    The entries are in this order, with what the row knows.
    """
    device, _started, tokens = connected(door)
    clock.shift(60)
    refresh(device, tokens)
    clock.shift(60)
    assert timeline.end(newest(), by=clerk())
    found = timeline.load_timeline(newest())
    assert found is not None
    expected = [
        ("started", ""),
        ("code_entered", "alice"),
        ("approved", "alice"),
        ("redeemed", ""),
        ("refreshed", ""),
        ("revoked", "clerk"),
    ]
    assert entries(found.pk) == expected
    assert (found.address, found.agent, found.person, found.methods) == (
        "203.0.113.7",
        "Acme TV/2.1",
        "alice",
        ("pwd",),
    )
    assert (found.state, found.application, found.scopes) == ("revoked", "tv", ("openid", "offline_access"))
    assert (found.refreshes, found.tokens_until, found.can_end) == (1, None, False)


def test_neither_codes_nor_tokens_are_in_it(acme: Tenant, door: Doors) -> None:
    """Nothing with which one could sign in, and no hash of it either."""
    _device, started, tokens = connected(door)
    row = DeviceCode.objects.get()
    text = repr(timeline.load_timeline(row.pk))
    hidden = [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
    for each in (*hidden, started.device_code, started.user_code, row.device_code_hash, row.user_code_hash):
        assert each not in text


def test_revoking_bites_at_once(acme: Tenant, door: Doors) -> None:
    """X10: from that moment on the refresh token and the access token are worth nothing.

    The event names the actor.
    """
    device, _started, tokens = connected(door)
    assert userinfo(device, tokens["access_token"]).status_code == 200
    assert timeline.end(newest(), by=clerk())
    assert userinfo(device, tokens["access_token"]).status_code == 401
    assert refresh(device, tokens).json()["error"] == "invalid_grant"
    assert Event.objects.get(kind="device.revoked").actor == "clerk"
    assert not timeline.end(newest(), by=clerk())


@pytest.mark.parametrize(("approved", "state"), [(False, "denied"), (True, "revoked")])
def test_a_device_that_still_waits_is_turned_away(
    acme: Tenant, door: Doors, approved: bool, state: str
) -> None:
    """D31, D32: a pending device is denied and an approved one is revoked.

    Either way the next poll gets access_denied, for good.
    """
    device, person = door(), door()
    started = device.start()
    if approved:
        person.approve(started)
    assert timeline.end(newest(), by=clerk())
    assert device.poll(started).json()["error"] == "access_denied"
    found = timeline.load_timeline(newest())
    assert found is not None
    assert (found.state, found.moments[-1].what, found.moments[-1].by) == (state, state, "clerk")
    if not approved:
        assert (
            "valid or has expired. Check it, or get a new one"
            in person.sign_in().submit(user_code=started.user_code).text
        )


def test_an_old_connection_can_still_be_ended(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """A television has been on for a week: its row is there as long as its tokens are, and goes with them."""
    device, _started, tokens = connected(door)
    clock.shift(timedelta(days=7))
    expire_device_codes()
    tokens = refresh(device, tokens).json()
    assert timeline.end(newest(), by=clerk())
    assert refresh(device, tokens).json()["error"] == "invalid_grant"
    clock.shift(timedelta(days=32))
    sweep_tokens()
    expire_device_codes()
    assert not DeviceCode.objects.exists()


def test_what_the_row_forgot_the_events_know(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """The timeline uses the events for what the row no longer has, and the row for what no event has."""
    door().start()
    pk = newest()
    clock.shift(timedelta(hours=2))
    before = entries(pk)
    assert before == [("started", ""), ("expired", "")]
    expire_device_codes()
    expire_device_codes()
    assert not DeviceCode.objects.exists()
    assert entries(pk) == before
    connected(door)
    Event.objects.all().delete()
    assert entries(newest()) == [("started", ""), ("approved", "alice"), ("redeemed", "")]


def test_tokens_that_end_without_their_device_are_shown(acme: Tenant, door: Doors) -> None:
    """A refresh token that came back and a consent that was revoked are in the timeline once."""
    connected(door)
    revoke_family(TokenFamily.objects.get(), why="refresh token used twice")
    found = timeline.load_timeline(newest())
    assert found is not None
    assert [(moment.what, moment.why) for moment in found.moments][-1] == (
        "tokens.revoked",
        "refresh token used twice",
    )
    assert not found.can_end


def test_another_tenants_device_does_not_exist(acme: Tenant, other: Tenant, door: Doors) -> None:
    """D25: its timeline, its revocation and its news do not exist here."""
    door().start()
    pk = newest()
    with tenant_scope(other):
        assert timeline.load_timeline(pk) is None
        assert timeline.topics_of(pk) == ()
        assert not timeline.end(pk, by=Person(username="mallory", role="owner"))
        assert timeline.pending_devices().count == 0
    assert timeline.pending_devices().count == 1
    assert timeline.load_timeline(10**30) is None
