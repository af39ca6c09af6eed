"""The outbox: written with its cause or not at all, delivered at least once, never by two at once.

Nothing secret is left behind.
"""

import logging
import os
import signal
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from idp.outbox import tasks
from idp.outbox.delivery import (
    LEASE,
    MAX_ATTEMPTS,
    DeliveryFailed,
    Parcel,
    Undeliverable,
    UnknownKind,
    deliver_due,
    post,
    sweep,
)
from idp.outbox.models import Delivery, DeliveryState
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.idp.outbox import probe

SECRET = "a-secret-that-no-one-reads"
pytestmark = pytest.mark.usefixtures("probed")


class Killed(BaseException):
    """Raised in place of a killed process: nothing after the line runs."""


def fail(*_: Any) -> None:
    raise DeliveryFailed("the other side sleeps")


def die(*_: Any) -> None:
    raise Killed


def stored() -> str:
    """The outbox as the database holds it, past the field's own decryption."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM outbox_delivery")
        return str(cursor.fetchall())


def only() -> Delivery:
    return Delivery.objects.get()


def test_what_is_rolled_back_is_not_owed(acme: Tenant) -> None:
    """A delivery is committed together with its cause, or not at all."""
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 the error must leave the block
        post(probe.KIND, {"n": 1})
        raise RuntimeError
    assert not Delivery.objects.exists()
    with transaction.atomic():
        post(probe.KIND, {"n": 2})
    assert deliver_due() == 1
    assert [parcel.payload for _, parcel in probe.got] == [{"n": 2}]


def test_a_delivery_is_made_once_and_wiped(acme: Tenant) -> None:
    """Sealed while it waits, gone once delivered; the handler gets the key that the caller got."""
    key = post(probe.KIND, {"link": SECRET})
    assert SECRET not in stored()
    assert (deliver_due(), deliver_due()) == (1, 0)
    ((name, parcel),) = probe.got
    assert (name, parcel.key, parcel.payload) == ("acme", key, {"link": SECRET})
    assert SECRET not in repr(parcel)
    row = only()
    assert (row.state, row.payload, row.attempts) == (DeliveryState.DONE, "", 1)


def test_an_unknown_kind_is_refused(acme: Tenant) -> None:
    """The caller gets an exception, and its transaction fails."""
    with pytest.raises(UnknownKind):
        post("carrier-pigeon", {})


def test_a_kind_whose_handler_went_waits(
    acme: Tenant, settings: Settings, clock: time_machine.Traveller
) -> None:
    """A deployment that lacks it loses nothing: the next one delivers."""
    post(probe.KIND, {"n": 1})
    known = settings.OUTBOX_HANDLERS
    for handlers in ({}, {probe.KIND: "nowhere.at.all"}):
        settings.OUTBOX_HANDLERS = handlers
        assert deliver_due() == 1
        clock.shift(10)
    settings.OUTBOX_HANDLERS = known
    assert only().state == DeliveryState.WAITING
    assert deliver_due() == 1
    assert only().state == DeliveryState.DONE


def test_retries_with_back_off(
    acme: Tenant, clock: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    """Retries come after 5 s, doubling to an hour; after twelve attempts it is given up and wiped.

    That is reported.
    """
    probe.wish.append(fail)
    post(probe.KIND, {"link": SECRET})
    pauses = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]
    assert len(pauses) == MAX_ATTEMPTS - 1
    assert deliver_due() == 1
    for pause in pauses:
        clock.shift(pause - 1)
        assert deliver_due() == 0
        clock.shift(1)
        assert deliver_due() == 1
    clock.shift(24 * 3600)
    assert deliver_due() == 0
    row = only()
    assert (row.state, row.payload, row.why, len(probe.got)) == (
        DeliveryState.FAILED,
        "",
        "the other side sleeps",
        MAX_ATTEMPTS,
    )
    assert len({parcel.key for _, parcel in probe.got}) == 1
    assert [record.levelname for record in caplog.records if record.message == "outbox.failed"] == ["ERROR"]


def test_success_after_failures(acme: Tenant, clock: time_machine.Traveller) -> None:
    """The other side comes back."""
    probe.wish.append(fail)
    post(probe.KIND, {})
    deliver_due()
    probe.wish.clear()
    clock.shift(5)
    assert deliver_due() == 1
    assert (only().state, only().attempts) == (DeliveryState.DONE, 2)


def test_a_refusal_is_final(acme: Tenant, clock: time_machine.Traveller) -> None:
    """A delivery that was refused for good is not tried again."""

    def refuse(parcel: Parcel) -> None:
        raise Undeliverable("no such person")

    probe.wish.append(refuse)
    post(probe.KIND, {"link": SECRET})
    deliver_due()
    clock.shift(24 * 3600)
    assert deliver_due() == 0
    assert (only().state, only().payload, only().why) == (DeliveryState.FAILED, "", "no such person")


def test_what_a_dead_worker_held_is_taken_over(acme: Tenant, clock: time_machine.Traveller) -> None:
    """While its lease lasts no other worker has it; then one does, with the same key."""
    probe.wish.append(die)
    post(probe.KIND, {"n": 1})
    with pytest.raises(Killed):
        deliver_due()
    probe.wish.clear()
    clock.shift(LEASE - timedelta(seconds=1))
    assert deliver_due() == 0
    clock.shift(1)
    assert deliver_due() == 1
    assert [parcel for _, parcel in probe.got] == [probe.got[0][1]] * 2
    assert only().state == DeliveryState.DONE


def test_what_kills_every_worker_is_given_up(acme: Tenant, clock: time_machine.Traveller) -> None:
    """A parcel that kills the process that opens it does so at most twelve times."""
    probe.wish.append(die)
    post(probe.KIND, {"link": SECRET})
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(Killed):
            deliver_due()
        clock.shift(LEASE)
    deliver_due()
    assert len(probe.got) == MAX_ATTEMPTS
    assert (only().state, only().payload) == (DeliveryState.FAILED, "")


def test_a_late_worker_changes_nothing(acme: Tenant, clock: time_machine.Traveller) -> None:
    """Its lease ran out while it worked and another one delivered, so its failure is ignored."""

    def sleep_too_long(parcel: Parcel) -> None:
        probe.wish.clear()
        clock.shift(LEASE)
        assert deliver_due() == 1
        raise DeliveryFailed("too late")

    probe.wish.append(sleep_too_long)
    post(probe.KIND, {})
    deliver_due()
    assert len(probe.got) == 2
    assert (only().state, only().attempts, only().why) == (DeliveryState.DONE, 2, "")
    clock.shift(24 * 3600)
    assert deliver_due() == 0


# a fork beside threads, from Python 3.12 on
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_kill_minus_nine_loses_nothing(transactional_db: None, tenants: dict[str, Tenant]) -> None:
    """A real process dies in the middle of a delivery; the next one delivers it, once."""
    reading, writing = os.pipe()

    def hang(parcel: Parcel) -> None:
        os.write(writing, b".")
        signal.pause()

    with tenant_scope(tenants["acme"]):
        post(probe.KIND, {"n": 1})
        connections.close_all()
        child = os.fork()
        if not child:
            try:
                probe.wish.append(hang)
                deliver_due()
            finally:
                os._exit(1)
        assert os.read(reading, 1) == b"."
        os.kill(child, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        assert deliver_due() == 0
        with time_machine.travel(timezone.now() + LEASE, tick=False):
            assert (deliver_due(), deliver_due()) == (1, 0)
        assert (only().state, only().attempts) == (DeliveryState.DONE, 2)
    os.close(reading)
    os.close(writing)


def test_two_workers_deliver_each_once(transactional_db: None, tenants: dict[str, Tenant]) -> None:
    """Four threads, each with its own connection, begin at once on forty rows."""
    start = threading.Barrier(4)
    tried: list[int] = []

    def work() -> None:
        with tenant_scope(tenants["acme"]):
            start.wait()
            tried.append(deliver_due())
        connections.close_all()

    with tenant_scope(tenants["acme"]):
        keys = [post(probe.KIND, {"n": n}) for n in range(40)]
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(parcel.key for _, parcel in probe.got) == Counter(keys)
    assert sum(tried) == 40
    with tenant_scope(tenants["acme"]):
        assert set(Delivery.objects.values_list("state", "attempts")) == {(DeliveryState.DONE, 1)}


def test_a_batch_is_bounded(acme: Tenant) -> None:
    """By count and by time, oldest first."""
    for n in range(5):
        post(probe.KIND, {"n": n})
    assert (deliver_due(most=2), deliver_due(seconds=0), deliver_due(most=10)) == (2, 0, 3)
    assert [parcel.payload["n"] for _, parcel in probe.got] == [0, 1, 2, 3, 4]


def test_one_bad_row_holds_up_no_other(acme: Tenant) -> None:
    """A handler that raises anything, and a payload that no key of this server reads."""
    bad, unreadable, good = (post(probe.KIND, {"n": n}) for n in range(3))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE outbox_delivery SET payload = 'x' WHERE key = %s", [unreadable])

    def stumble(parcel: Parcel) -> None:
        if parcel.key == bad:
            raise ZeroDivisionError

    probe.wish.append(stumble)
    assert deliver_due() == 3
    states = dict(Delivery.objects.values_list("key", "state"))
    assert states == {bad: DeliveryState.WAITING, unreadable: DeliveryState.WAITING, good: DeliveryState.DONE}
    whys = dict(Delivery.objects.values_list("key", "why"))
    assert whys[bad].startswith("ZeroDivisionError in ")
    assert whys[unreadable].startswith("Unsealable in ")


def test_no_secret_in_log_or_row(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    """Even when the error's text repeats the payload."""
    caplog.set_level(logging.DEBUG)

    def refuse(parcel: Parcel) -> None:
        raise ValueError(f"cannot send {parcel.payload}")

    probe.wish.append(refuse)
    post(probe.KIND, {"link": SECRET})
    assert deliver_due() == 1
    assert "outbox.not_delivered" in caplog.messages
    assert SECRET not in "".join(str(vars(record)) for record in caplog.records) + caplog.text
    assert SECRET not in stored()
    assert "ValueError" in only().why


def test_a_clock_that_is_set_back_holds_nothing_up(acme: Tenant, clock: time_machine.Traveller) -> None:
    """A first attempt is always due, and no later one waits longer than the longest pause."""
    post(probe.KIND, {"n": 1})
    clock.shift(-timedelta(hours=1))
    assert deliver_due() == 1
    post(probe.KIND, {"n": 2})
    Delivery.objects.filter(state=DeliveryState.WAITING).update(
        attempts=1, due_at=timezone.now() + timedelta(days=300)
    )
    assert deliver_due() == 1
    post(probe.KIND, {"n": 3})
    Delivery.objects.filter(state=DeliveryState.WAITING).update(attempts=1, due_at=timezone.now() + LEASE)
    assert deliver_due() == 0


def test_what_comes_too_late_is_dropped(acme: Tenant, clock: time_machine.Traveller) -> None:
    """CVE-2025-64708: nothing that has expired goes out because a worker was late."""
    probe.wish.append(fail)
    post(probe.KIND, {"link": SECRET}, lifetime=timedelta(minutes=1))
    deliver_due()
    probe.wish.clear()
    clock.shift(60)
    deliver_due()
    assert len(probe.got) == 1
    assert (only().state, only().payload) == (DeliveryState.FAILED, "")


def test_each_tenants_in_its_scope(tenants: dict[str, Tenant]) -> None:
    """No delivery runs in the other tenant's scope; the task takes every tenant in turn."""
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            post(probe.KIND, {"of": name})
    with tenant_scope(tenants["other"]):
        assert deliver_due() == 1
    assert [(name, parcel.payload["of"]) for name, parcel in probe.got] == [("other", "other")]
    tasks.deliver_outbox()
    assert [(name, parcel.payload["of"]) for name, parcel in probe.got] == [
        ("other", "other"),
        ("acme", "acme"),
    ]


def test_old_rows_are_swept(tenants: dict[str, Tenant], clock: time_machine.Traveller) -> None:
    """Delivered ones after a week, failed ones after a month, waiting ones never, each tenant's."""

    def judge(parcel: Parcel) -> None:
        if parcel.payload["n"] == "refused":
            raise Undeliverable("never")
        if parcel.payload["n"] == "waiting":
            raise DeliveryFailed("later")

    probe.wish.append(judge)
    for tenant in tenants.values():
        with tenant_scope(tenant):
            for n in ("done", "refused", "waiting"):
                post(probe.KIND, {"n": n})
            deliver_due()
    clock.shift(timedelta(days=7))
    tasks.sweep_outbox()
    assert Delivery.unscoped.count() == 6
    clock.shift(1)
    tasks.sweep_outbox()
    assert Counter(Delivery.unscoped.values_list("state", flat=True)) == {
        DeliveryState.FAILED: 2,
        DeliveryState.WAITING: 2,
    }
    clock.shift(timedelta(days=23))
    tasks.sweep_outbox()
    assert Counter(Delivery.unscoped.values_list("state", "tenant__name")) == {
        (DeliveryState.WAITING, name): 1 for name in tenants
    }


def test_a_sweep_goes_in_batches(acme: Tenant, clock: time_machine.Traveller) -> None:
    """No write holds the database for long."""
    for n in range(5):
        post(probe.KIND, {"n": n})
    deliver_due()
    clock.shift(timedelta(days=8))
    assert [sweep(timezone.now(), batch=2) for _ in range(4)] == [2, 2, 1, 0]
