"""Workers and devices at the same codes at the same time.

Each code is expired once, announced once, and never both expired and redeemed.
"""

from collections import Counter
from datetime import timedelta

from django.utils import timezone

from idp.devices.models import DeviceCode, DeviceState
from idp.devices.service import expire_overdue
from idp.events.models import Event
from idp.oauth.models import TokenFamily
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.support.concurrency import at_once, meeting_at


def test_batches_that_overlap_announce_each_device_once(
    transactional_db: None, tenants: dict[str, Tenant], door: Doors
) -> None:
    """D37: a short batch and a long one begin at the same row, at which a device is polling."""
    device = door()
    for _ in range(8):
        device.start()
    later = timezone.now() + timedelta(hours=1)

    def work(batch: int) -> None:
        with tenant_scope(tenants["acme"]):
            expire_overdue(later, timedelta(days=1), batch=batch)

    first = DeviceCode.unscoped.filter(pk=DeviceCode.unscoped.order_by("pk")[0].pk)
    meeting_at(first, lambda: work(3), lambda: work(6))
    work(8)
    recorded = Counter(Event.unscoped.filter(kind="device.expired").values_list("topic", flat=True))
    assert recorded == {f"device:{pk}": 1 for pk in DeviceCode.unscoped.values_list("pk", flat=True)}


def test_sweeps_at_once_announce_each_device_once(
    transactional_db: None, tenants: dict[str, Tenant], door: Doors
) -> None:
    """D37: four workers sweep until nothing is left."""
    device = door()
    for _ in range(30):
        device.start()
    later = timezone.now() + timedelta(hours=1)

    def work() -> None:
        with tenant_scope(tenants["acme"]):
            while expire_overdue(later, timedelta(days=1), batch=4):
                pass

    at_once(*[work] * 4)
    recorded = Counter(Event.unscoped.filter(kind="device.expired").values_list("topic", flat=True))
    assert recorded == {f"device:{pk}": 1 for pk in DeviceCode.unscoped.values_list("pk", flat=True)}
    assert len(recorded) == 30


def test_a_code_is_redeemed_or_expired_and_never_both(
    transactional_db: None, tenants: dict[str, Tenant], door: Doors
) -> None:
    """D24: the first wins, of eight polls and two sweeps at the very end of its life."""
    device = door()
    started = device.start()
    door().approve(started)
    later, answers = timezone.now() + timedelta(hours=1), []

    def ask() -> None:
        answers.append(Door().poll(started).json().get("error", "tokens"))

    def work() -> None:
        with tenant_scope(tenants["acme"]):
            expire_overdue(later, timedelta(days=1))

    at_once(*[ask] * 8, work, work)
    row = DeviceCode.unscoped.get()
    kinds = list(
        Event.unscoped.filter(kind__in=["device.redeemed", "device.expired", "tokens.issued"]).values_list(
            "kind", flat=True
        )
    )
    if row.state == DeviceState.REDEEMED:
        assert sorted(kinds) == ["device.redeemed", "tokens.issued"]
        assert answers.count("tokens") >= 1  # the polls after the winner got the same response
        assert TokenFamily.unscoped.count() == 1
    else:
        assert (row.state, kinds, answers.count("tokens")) == (DeviceState.EXPIRED, ["device.expired"], 0)
