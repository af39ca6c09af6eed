"""What the background work deletes: only what is stale, in every tenant, and repeatedly without harm.

It really runs, too.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from idp.celery import app
from idp.devices import service
from idp.devices.models import DeviceCode
from idp.devices.tasks import expire_device_codes
from idp.oauth.models import RefreshToken, TokenFamily
from idp.oauth.tasks import sweep_tokens
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.oauth import connect, outcome, refresh, tokens_of


def test_codes_are_marked_after_their_time_and_deleted_an_hour_later(
    tenants: dict[str, Tenant], door: Doors, clock: time_machine.Traveller
) -> None:
    """D37: the device gets expired_token for the grace period, then invalid_grant.

    Approved codes expire too.
    """
    browser, other_device = door(), door("other.test")
    pending, approved, foreign = browser.start(), browser.start(), other_device.start()
    browser.approve(approved)
    clock.shift(timedelta(minutes=9, seconds=59))
    young = browser.start()
    expire_device_codes()
    assert set(DeviceCode.unscoped.values_list("state", flat=True)) == {"pending", "approved"}
    clock.shift(1)
    expire_device_codes()
    expire_device_codes()
    assert sorted(DeviceCode.unscoped.values_list("state", flat=True)) == ["expired"] * 3 + ["pending"]
    for who, started in ((browser, pending), (browser, approved), (other_device, foreign)):
        assert who.poll(started).json()["error"] == "expired_token"
    clock.shift(timedelta(hours=1))
    expire_device_codes()
    assert browser.poll(pending).json()["error"] == "invalid_grant"
    assert browser.poll(young).json()["error"] == "expired_token"
    assert DeviceCode.unscoped.count() == 1


def test_codes_are_expired_in_batches_and_in_their_tenant(
    tenants: dict[str, Tenant], door: Doors, clock: time_machine.Traveller
) -> None:
    """No write locks the database for long; one tenant's sweep leaves the other tenant's rows alone."""
    for host in ("acme.test", "other.test"):
        for _ in range(5):
            door(host).start()
    clock.shift(timedelta(minutes=10))
    with tenant_scope(tenants["acme"]):
        assert service.expire_overdue(timezone.now(), timedelta(hours=1), batch=2) == 2
        assert DeviceCode.objects.filter(state="expired").count() == 2
    assert DeviceCode.unscoped.filter(state="pending").count() == 8


def test_a_redeemed_code_is_kept_long_enough_to_notice_its_reuse(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """D27: until its own expiry and the grace period are over, its row remembers."""
    browser = door()
    started = browser.start()
    browser.approve(started)
    assert browser.poll(started).status_code == 200
    clock.shift(timedelta(minutes=30))
    expire_device_codes()
    assert DeviceCode.unscoped.get().state == "redeemed"
    assert browser.poll(started).json()["error"] == "invalid_grant"


def test_token_families_go_a_day_after_their_last_token(
    tenants: dict[str, Tenant], door: Doors, clock: time_machine.Traveller
) -> None:
    """One that is still refreshed stays, with its whole history; tenants and batches as ever."""
    for host in ("acme.test", "other.test"):
        for scope in ("openid", "openid", "openid offline_access"):
            browser = door(host)
            started = browser.start(scope=scope)
            browser.approve(started)
            assert browser.poll(started).status_code == 200
    assert TokenFamily.unscoped.count() == 6
    clock.shift(timedelta(hours=23))
    sweep_tokens()
    assert TokenFamily.unscoped.count() == 6
    clock.shift(timedelta(hours=2))
    sweep_tokens(tenant="acme", batch=1)
    assert TokenFamily.unscoped.filter(tenant__name="other").count() == 3
    sweep_tokens()
    sweep_tokens()
    assert (TokenFamily.unscoped.count(), RefreshToken.unscoped.count()) == (2, 2)
    clock.shift(timedelta(days=31))
    sweep_tokens()
    assert (TokenFamily.unscoped.count(), RefreshToken.unscoped.count()) == (0, 0)


def test_used_refresh_tokens_go_a_day_after_they_would_have_expired(
    tenants: dict[str, Tenant], door: Doors, clock: time_machine.Traveller
) -> None:
    """B15: of a family that lives on.

    Until then their return ends it, however often it was refreshed; then they are unknown.
    """
    issued = {host: [connect(door, host=host)["refresh_token"]] for host in ("acme.test", "other.test")}
    for _ in range(35):
        clock.shift(timedelta(days=1))
        for host, tokens in issued.items():
            tokens.append(tokens_of(refresh(door(host), tokens[-1]))["refresh_token"])
    sweep_tokens(tenant="acme", batch=2)
    assert RefreshToken.unscoped.filter(family__tenant__name="other").count() == 36
    sweep_tokens()
    assert (TokenFamily.unscoped.count(), RefreshToken.unscoped.count()) == (2, 2 * 32)
    for host, tokens in issued.items():
        device = door(host)
        assert outcome(refresh(device, tokens[0])) == (400, "invalid_grant")
        tokens.append(tokens_of(refresh(device, tokens[-1]))["refresh_token"])
        assert outcome(refresh(device, tokens[6])) == (400, "invalid_grant")
        assert outcome(refresh(device, tokens[-1])) == (400, "invalid_grant")
    assert TokenFamily.unscoped.filter(revoked_at=None).count() == 0


def test_the_beat_names_every_sweep(db: None) -> None:
    """A task that is never sent would never run; none waits longer than a quarter of an hour."""
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith(("idp.", "flows.")) and ".tasks." in name}
    scheduled = {entry["task"]: entry["schedule"].run_every for entry in app.conf.beat_schedule.values()}
    assert {name for name in ours if "sweep" in name or "expire" in name} <= set(scheduled)
    assert max(scheduled.values()) <= timedelta(minutes=15)


BACKGROUND = """
import django, time
from datetime import timedelta
django.setup()
from django.core.management import call_command
from django.utils import timezone
from idp.runtime import files
files.prepare()
call_command("migrate", verbosity=0)
from idp.celery import app
from idp.runtime.embedded import run_background
from idp.ratelimit.models import Attempt
from idp.tenancy.models import Tenant
from celery.schedules import schedule
for name in ("acme", "other"):
    tenant = Tenant.objects.create(name=name, title=name)
    Attempt.unscoped.create(tenant=tenant, bucket="old", slot=0, at=timezone.now(), expires_at=timezone.now())
    Attempt.unscoped.create(tenant=tenant, bucket="new", slot=0, at=timezone.now(), expires_at=timezone.now() + timedelta(1))
app.conf.beat_schedule = {"sweep": {"task": "idp.ratelimit.tasks.sweep_attempts", "schedule": schedule(0.2)}}
with run_background(app):
    end = time.monotonic() + 30
    while Attempt.unscoped.count() > 2 and time.monotonic() < end:
        time.sleep(0.05)
print("left:", sorted(Attempt.unscoped.values_list("bucket", flat=True)), flush=True)
"""  # noqa: E501


@pytest.mark.slow
def test_the_embedded_worker_and_beat_really_run(tmp_path: Path) -> None:
    """In its own process, with a short schedule, the effect is there and the block ends cleanly."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    environment |= {
        "FOYER_DATA": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "idp.settings",
        "FOYER_LOG": "json",
    }
    done = subprocess.run(
        [sys.executable, "-c", BACKGROUND],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "left: ['new', 'new']" in done.stdout, done.stderr
