"""The device's state machine: polling times, expiry that is checked when read, and limits on starting.

Also what is stored.
"""

import random
import string
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from idp.devices import service
from idp.devices.models import DeviceCode, DeviceState
from idp.devices.tasks import GRACE, expire_device_codes
from idp.events.models import Event
from idp.oauth.tasks import sweep_tokens
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application
from tests.support.client import Door, Doors, Started
from tests.support.oauth import DEVICE, outcome, userinfo


def polled(device: Door, started: Started) -> str:
    """The response to a poll."""
    return str(device.poll(started).json().get("error", "tokens"))


# --- slow_down ----------------------------------------------------------------------------------------------


def test_steady_client_is_never_slowed_down(door: Doors, clock: time_machine.Traveller) -> None:
    """K2: the first poll never, nor any at exactly the interval: some clients treat slow_down as fatal."""
    device = door()
    started = device.start()
    answers = []
    for _ in range(20):
        answers.append(polled(device, started))
        clock.shift(started.answer["interval"])
    assert set(answers) == {"authorization_pending"}


def test_a_second_of_jitter_is_allowed(door: Doors, clock: time_machine.Traveller) -> None:
    """K2, D13: a poll that a busy network brings a second early is not punished.

    One that is earlier still is.
    """
    device = door()
    started = device.start()
    polled(device, started)
    for late in (4, 6, 4, 5, 4, 4):
        clock.shift(late)
        assert polled(device, started) == "authorization_pending"
    clock.shift(3.9)
    assert polled(device, started) == "slow_down"


def test_slow_down_adds_five_seconds_that_last(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D13: each slow_down raises the interval by five seconds for good; it is stored with the row."""
    device = door()
    started = device.start()
    polled(device, started)
    for expected in (10, 15, 20):
        clock.shift(1)
        assert polled(device, started) == "slow_down"
        assert DeviceCode.objects.get().interval == expected
    clock.shift(20)
    assert polled(device, started) == "authorization_pending"
    clock.shift(18.5)
    assert polled(device, started) == "slow_down"


def test_measured_from_the_last_accepted_poll(door: Doors, clock: time_machine.Traveller) -> None:
    """D13: a rejected poll does not move the clock.

    Otherwise a steady client would be locked out for ever (H2CK/oidc #716).
    """
    device = door()
    started = device.start()
    polled(device, started)
    clock.shift(2)
    assert polled(device, started) == "slow_down"
    clock.shift(8)  # ten seconds after the accepted poll, eight after the rejected one
    assert polled(device, started) == "authorization_pending"


@pytest.mark.parametrize("seed", range(5))
def test_client_that_obeys_is_always_served(
    door: Doors, acme: Tenant, clock: time_machine.Traveller, seed: int
) -> None:
    """D13, K2: once a client adds five seconds for each slow_down it is served (H2CK/oidc #716).

    That holds after anything that it did before.
    """
    save_application("tv", by="test", device_code_lifetime=3600)
    device, numbers = door(), random.Random(seed)
    started = device.start()
    interval = started.answer["interval"]
    polled(device, started)
    for _ in range(12):
        clock.shift(numbers.uniform(0, interval - 1.01))  # an impatient one
        assert polled(device, started) == "slow_down"
        interval += 5
        clock.shift(interval)
        assert polled(device, started) == "authorization_pending"


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_slow_down_never_hides_a_decision(door: Doors, clock: time_machine.Traveller, decision: str) -> None:
    """D32, D13: the device gets a decision at its next poll, however early that comes."""
    device, person = door(), door()
    started = device.start()
    polled(device, started)
    assert polled(device, started) == "slow_down"
    person.sign_in().submit(user_code=started.user_code).submit(decision=decision)
    assert polled(device, started) == {"approve": "tokens", "deny": "access_denied"}[decision]


def test_expiry_is_reported_however_early_the_poll(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D13: expired_token, not slow_down."""
    save_application("tv", by="test", device_code_lifetime=30)
    device = door()
    started = device.start()
    clock.shift(29)
    polled(device, started)
    clock.shift(1)
    assert polled(device, started) == "expired_token"


def test_raised_interval_survives_a_cleared_cache(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D38: a lost time of the last poll only makes the limit lenient; the raised interval is durable."""
    device = door()
    started = device.start()
    polled(device, started)
    assert polled(device, started) == "slow_down"
    cache.clear()
    assert polled(device, started) == "authorization_pending"
    clock.shift(6)
    assert polled(device, started) == "slow_down"
    assert DeviceCode.objects.get().interval == 15


def test_other_devices_do_not_slow_one_down(door: Doors, clock: time_machine.Traveller) -> None:
    """D13: each code has its own clock."""
    device = door()
    first, second = device.start(), device.start()
    assert [polled(device, first), polled(device, second), polled(device, first)] == [
        "authorization_pending"
    ] * 2 + ["slow_down"]
    clock.shift(5)
    assert polled(device, second) == "authorization_pending"


def test_interval_of_the_application(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D4: the interval is in the response, is set per application, and is enforced."""
    save_application("tv", by="test", device_interval=30)
    device = door()
    started = device.start()
    assert started.answer["interval"] == 30
    polled(device, started)
    clock.shift(28)
    assert polled(device, started) == "slow_down"


def test_a_poll_writes_at_most_one_row(door: Doors, acme: Tenant) -> None:
    """D38: an accepted poll writes nothing, one that came too early one row."""
    device = door()
    started = device.start()

    def writes() -> tuple[str, int]:
        with CaptureQueriesContext(connection) as queries:
            code = polled(device, started)
        return code, sum(query["sql"].startswith(("INSERT", "UPDATE", "DELETE")) for query in queries)

    assert writes() == ("authorization_pending", 0)
    assert writes() == ("slow_down", 1)


# --- expiry, with no worker running -------------------------------------------------------------------------


def test_pending_code_expires_when_read(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D12, D37: the response is expired_token from the very second on, with nothing swept.

    (CVE-2025-64708, django-oauth-toolkit 3.4.1)
    """
    device = door()
    started = device.start()
    assert started.answer["expires_in"] == 600
    clock.shift(599)
    assert polled(device, started) == "authorization_pending"
    clock.shift(1)
    assert [polled(device, started) for _ in range(3)] == ["expired_token"] * 3
    assert DeviceCode.objects.get().state == DeviceState.PENDING


def test_approved_then_expired_gives_no_tokens(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D12, D37: approval does not outlive the code (CVE-2025-64708, django-oauth-toolkit 3.4.1)."""
    device = door()
    started = device.start()
    door().approve(started)
    clock.shift(600)
    assert polled(device, started) == "expired_token"
    assert DeviceCode.objects.get().state == DeviceState.APPROVED


def test_expired_code_cannot_be_entered_or_decided(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D37: a code typed too late or a page that stood open too long decides nothing (CVE-2025-64708)."""
    device = door()
    first, second = device.start(), device.start()
    person = door()
    asked = person.sign_in()
    consent = asked.submit(user_code=first.user_code)
    assert consent.step == "consent"
    clock.shift(600)
    assert "You can go back" not in consent.submit(decision="approve").text
    entry = (
        person.page("/device?switch")
        .submit(name="alice")
        .submit(password="alice-password-1")
        .submit(user_code=second.user_code)
    )
    assert "valid or has expired. Check it, or get a new one" in entry.text
    assert [polled(device, started) for started in (first, second)] == ["expired_token"] * 2
    assert not DeviceCode.objects.exclude(state=DeviceState.PENDING).exists()


def test_swept_code_is_expired_first_and_unknown_later(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D37, D14: reported as expired for a grace period, then it does not exist any more."""
    device = door()
    started = device.start()
    clock.shift(600)
    assert service.expire_overdue(timezone.now(), GRACE) == 1
    assert DeviceCode.objects.get().state == DeviceState.EXPIRED
    assert outcome(device.poll(started)) == (400, "expired_token")
    clock.shift(GRACE)
    assert service.expire_overdue(timezone.now(), GRACE) == 1
    assert outcome(device.poll(started)) == (400, "invalid_grant")
    assert service.expire_overdue(timezone.now(), GRACE) == 0


def test_sweep_reaches_every_tenant_and_leaves_the_living(
    door: Doors, tenants: dict[str, Tenant], clock: time_machine.Traveller
) -> None:
    """D37: the task marks what is overdue in each tenant, and nothing else."""
    here, there = door(), door("other.test")
    old = [here.start(), there.start()]
    clock.shift(300)
    young = here.start()
    clock.shift(300)
    expire_device_codes()
    states = {}
    for tenant in tenants.values():
        with tenant_scope(tenant):
            states[tenant.name] = sorted(DeviceCode.objects.values_list("state", flat=True))
    assert states == {"acme": ["expired", "pending"], "other": ["expired"]}
    assert [polled(here, old[0]), polled(there, old[1]), polled(here, young)] == [
        "expired_token",
        "expired_token",
        "authorization_pending",
    ]


def test_a_redeemed_code_is_kept_as_long_as_its_tokens(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D27, D37: a device that was connected long ago can still be revoked.

    The sweep ends nothing that it was granted.
    """
    save_application("tv", by="test", access_token_lifetime=86_400)
    device = door()
    started = device.start()
    door().approve(started)
    token = device.poll(started).json()["access_token"]
    clock.shift(GRACE + timedelta(minutes=10))
    expire_device_codes()
    assert DeviceCode.objects.get().state == DeviceState.REDEEMED
    assert userinfo(device, token).status_code == 200
    clock.shift(timedelta(days=2))
    sweep_tokens()
    expire_device_codes()
    assert not DeviceCode.objects.exists()


# --- the machine --------------------------------------------------------------------------------------------


def approved(door: Doors, started: Started) -> DeviceCode:
    """The row after a person has approved it."""
    door().approve(started)
    return DeviceCode.objects.get(state=DeviceState.APPROVED)


def test_revoked_code_polls_as_denied(door: Doors, acme: Tenant) -> None:
    """D12: an administrator who revokes an approved code ends it before it gives anything."""
    device = door()
    started = device.start()
    row = approved(door, started)
    assert service.revoke(row.pk, why="test")
    assert not service.revoke(row.pk, why="again")
    assert polled(device, started) == "access_denied"
    assert Event.objects.filter(kind="device.revoked").count() == 1


def test_revoking_a_redeemed_code_ends_its_tokens(door: Doors, acme: Tenant) -> None:
    """D27, X10: everything that came out of a code ends with it."""
    device = door()
    started = device.start(scope="openid offline_access")
    row = approved(door, started)
    tokens = device.poll(started).json()
    assert userinfo(device, tokens["access_token"]).status_code == 200
    service.revoke(row.pk, why="test")
    assert userinfo(device, tokens["access_token"]).status_code == 401


def test_revoking_reaches_no_other_tenant(door: Doors, acme: Tenant, other: Tenant) -> None:
    """Another tenant's device does not exist."""
    device = door()
    row = approved(door, device.start())
    with tenant_scope(other):
        assert not service.revoke(row.pk, why="test")
        assert service.find_pending(row.pk) is None
    assert DeviceCode.objects.get().state == DeviceState.APPROVED


def test_dropping_all_ends_what_waits(door: Doors, acme: Tenant) -> None:
    """When codes can no longer be trusted, every pending or approved one ends without tokens."""
    device = door()
    first, second = device.start(), device.start()
    approved(door, first)
    assert service.expire_all(why="test") == 2
    assert [polled(device, first), polled(device, second)] == ["expired_token"] * 2


# --- limits on starting, uniqueness, storage ----------------------------------------------------------------


def test_limit_of_pending_codes_per_client(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D35: a client has a limited number of pending devices, from all addresses together.

    Another client is not affected.
    """
    save_application("tv", by="test", device_pending_limit=3)
    for n in (7, 8, 9):
        door(address=f"192.0.2.{n}").start()
    refused = door(address="192.0.2.9").post(DEVICE, {"client_id": "tv"})
    assert outcome(refused) == (429, "temporarily_unavailable")
    assert int(refused["Retry-After"]) > 0
    door(address="192.0.2.9").start(client_id="staff-console")
    door("other.test", address="192.0.2.9").start()
    clock.shift(600)
    door(address="192.0.2.9").start()


def test_limit_of_pending_codes_per_address(door: Doors, acme: Tenant) -> None:
    """D35: one address has a limited number of pending codes, and an IPv6 /64 counts as one.

    A decided code makes room.
    """
    save_application("tv", by="test", device_pending_limit_per_address=2)
    home = door(address="2001:db8:1:1::1")
    first = home.start()
    door(address="2001:db8:1:1::2").start()
    assert outcome(door(address="2001:db8:1:1::3").post(DEVICE, {"client_id": "tv"})) == (
        429,
        "temporarily_unavailable",
    )
    door(address="2001:db8:1:2::1").start()
    door().approve(first)
    home.start()


def test_one_network_crowds_no_other_out(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D35: of a full application the network with the most pending codes gives up its oldest, IPv6 by /48.

    The limit holds.
    """
    save_application("tv", by="test", device_pending_limit=6, device_pending_limit_per_address=2)
    honest = door(address="192.0.2.200").start()
    crowd = []
    for n in range(5):
        crowd.append(door(address=f"2001:db8:1:{n:x}::1").start())
        clock.shift(1)
    for n in range(2):
        door(address=f"198.51.100.{n}").start()
    assert outcome(door(address="2001:db8:1:ff::1").post(DEVICE, {"client_id": "tv"})) == (
        429,
        "temporarily_unavailable",
    )
    waiting = DeviceCode.objects.filter(state=DeviceState.PENDING, expires_at__gt=timezone.now())
    assert waiting.count() == 6
    assert polled(door(), honest) == "authorization_pending"
    assert [polled(door(), each) for each in crowd] == ["expired_token"] * 2 + ["authorization_pending"] * 3


def test_wide_networks_share(door: Doors, acme: Tenant) -> None:
    """D35: a /56 may have four times what a /64 may, a /48 sixteen times.

    The next network is not affected.
    """
    save_application("tv", by="test", device_pending_limit_per_address=1)
    asked = [
        door(address=f"2001:db8:1:{n:x}::1").post(DEVICE, {"client_id": "tv"}).status_code for n in range(6)
    ]
    assert asked == [200] * 4 + [429] * 2
    asked = [
        door(address=f"2001:db8:1:{n:x}00::1").post(DEVICE, {"client_id": "tv"}).status_code
        for n in range(1, 15)
    ]
    assert asked == [200] * 12 + [429] * 2
    door(address="2001:db8:2::1").start()


def test_refusing_to_start_is_one_event(door: Doors, acme: Tenant) -> None:
    """D35: a client that floods the endpoint does not flood the audit log."""
    save_application("tv", by="test", device_pending_limit=1)
    device = door()
    device.start()
    assert [device.post(DEVICE, {"client_id": "tv"}).status_code for _ in range(5)] == [429] * 5
    assert Event.objects.filter(kind="device.start_refused").count() == 1


def test_a_taken_user_code_is_generated_again(
    door: Doors, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D36: a user code is unique among the codes of the tenant.

    After a collision another code is generated without an error.
    """
    letters = iter("BCDFGHJK" * 3 + "LMNPQRST" + "BCDFGHJK")
    monkeypatch.setattr("secrets.choice", lambda alphabet: next(letters))
    device = door()
    assert [device.start().user_code for _ in range(2)] == ["BCDF-GHJK", "LMNP-QRST"]
    assert door("other.test").start().user_code == "BCDF-GHJK"


def test_no_code_or_token_is_stored_in_clear(door: Doors, acme: Tenant) -> None:
    """D26: a copy of the database opens nothing: neither code and no token stands in any table."""
    device = door()
    started = device.start(scope="openid offline_access")
    door().approve(started)
    tokens = device.poll(started).json()
    with connection.cursor() as cursor:
        stored = ""
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            stored += str(cursor.fetchall())
    typed = started.user_code.replace("-", "")
    for secret in (
        started.device_code,
        started.user_code,
        typed,
        tokens["access_token"],
        tokens["refresh_token"],
        tokens["id_token"],
    ):
        assert secret not in stored


def test_device_codes_are_unguessable_and_need_no_escaping(door: Doors) -> None:
    """D16: 256 bits in characters that no client has to URL-encode (authentik #13484)."""
    device = door()
    codes = [device.start().device_code for _ in range(20)]
    assert len(set(codes)) == 20
    assert all(len(code) == 64 and set(code) <= set(string.hexdigits) for code in codes)
