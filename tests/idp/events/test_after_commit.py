"""Nothing is announced before it is true: log lines and wake-ups come after the commit.

After a rollback there are none.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from idp.devices import service
from idp.events import notify
from idp.events.bus import publish, publish_bounded, publish_bulk, publish_once
from idp.events.models import Event
from idp.events.notify import WakeUp
from idp.events.origin import Origin, origin_scope
from idp.oauth import tokens
from idp.runtime.logs import configure
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors

Announced = Callable[[], tuple[Counter[str], Counter[str]]]
pytestmark = pytest.mark.usefixtures("transactional_db")


class Halted(Exception):
    """Raised to end a transaction before its commit."""


@pytest.fixture
def announced(
    tenants: dict[str, Tenant], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Announced:
    """Return the kinds of events in the log, and of the wake-ups, since the last call."""
    caplog.set_level(logging.INFO, "idp.events.bus")
    woken: list[WakeUp] = []
    monkeypatch.setattr(notify, "send", woken.append)

    def since() -> tuple[Counter[str], Counter[str]]:
        lines = Counter(record.message for record in caplog.records if record.name == "idp.events.bus")
        kinds = Counter(each.kind for each in woken)
        caplog.clear()
        woken.clear()
        return lines, kinds

    return since


def once(*kinds: str) -> tuple[Counter[str], Counter[str]]:
    """One line and one wake-up for each."""
    return Counter(kinds), Counter(kinds)


def halt(*_: Any, **__: Any) -> None:
    raise Halted


def test_a_device_that_is_rolled_back_is_not_announced(
    door: Doors, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback in the request or around it announces nothing; the next device is announced once."""
    with pytest.raises(Halted), transaction.atomic():  # noqa: PT012 the error must leave the block
        door().start()
        assert announced() == once()
        raise Halted
    assert announced() == once()
    with monkeypatch.context() as patched:
        patched.setattr(service, "DeviceAuthorization", halt)
        with pytest.raises(Halted):
            door().start()
    assert announced() == once("device.started")  # it was committed, though the response was lost
    door("other.test").start()
    assert announced() == once("device.started")


def test_a_redemption_that_is_rolled_back_is_not_announced(
    door: Doors, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redeemed, but not signed: nothing happened, and nothing is announced.

    Once it succeeds it is announced once; a refresh alike.
    """
    device = door()
    started = device.start(scope="openid offline_access")
    door().approve(started)
    announced()
    with monkeypatch.context() as patched:
        patched.setattr(tokens, "_sign", halt)
        with pytest.raises(Halted):
            device.poll(started)
    assert announced() == once()
    assert not Event.unscoped.filter(kind="device.redeemed").exists()
    answer = device.poll(started).json()
    assert announced() == once("device.redeemed", "tokens.issued")
    form = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": answer["refresh_token"]}
    with monkeypatch.context() as patched:
        patched.setattr(tokens, "_sign", halt)
        with pytest.raises(Halted):
            device.post("/application/o/token/", form)
    assert announced() == once()
    assert device.post("/application/o/token/", form).status_code == 200
    assert announced() == once("tokens.issued")


def _many() -> None:
    publish_bulk("x.many", [("a", "", ""), ("b", "", "")])


def _once() -> None:
    publish_once("x.once", timedelta(minutes=1))


def _bounded() -> None:
    publish_bounded("x.bounded", most=0, actor="alice")


@pytest.mark.parametrize(
    ("work", "lines", "woken"),
    [
        (lambda: publish("x.one"), ["x.one"], ["x.one"]),
        (_many, ["x.many"], []),
        (_once, ["x.once"], ["x.once"]),
        (_bounded, ["x.bounded", "events.left_out"], ["events.left_out"]),
    ],
)
def test_every_way_to_announce(
    tenants: dict[str, Tenant],
    announced: Announced,
    work: Callable[[], None],
    lines: list[str],
    woken: list[str],
) -> None:
    """Inside a transaction it is announced after the commit, outside of one at once.

    After a savepoint is rolled back it is not announced.
    """
    with tenant_scope(tenants["acme"]):
        with transaction.atomic():
            with pytest.raises(Halted), transaction.atomic():  # noqa: PT012 the error must leave the block
                work()
                raise Halted
            work()
            assert announced() == once()
        assert announced() == (Counter(lines), Counter(woken))
        Event.objects.all().delete()
        work()
        assert announced() == (Counter(lines), Counter(woken))


def test_a_line_names_its_own_tenant_and_request(
    tenants: dict[str, Tenant], capfd: pytest.CaptureFixture[str]
) -> None:
    """One transaction over several tenants, committed when none of them is in scope any more."""
    configure({"format": "json"})
    capfd.readouterr()
    with transaction.atomic():
        for name in ("acme", "other"):
            with tenant_scope(tenants[name]), origin_scope(Origin("192.0.2.1", "", f"request of {name}")):
                publish("x.published", actor=name)
        assert "x.published" not in capfd.readouterr().err
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "x.published" in line]
    found = [(line["tenant"], line["request_id"], line["actor"]) for line in lines]
    assert found == [("acme", "request of acme", "acme"), ("other", "request of other", "other")]


def test_a_channel_that_fails_fails_nothing(
    tenants: dict[str, Tenant], door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed is returned, and later events are announced."""
    tried: list[str] = []

    def broken(wake_up: WakeUp) -> None:
        tried.append(wake_up.kind)
        raise OSError("no such channel")

    monkeypatch.setattr(notify, "send", broken)
    device = door()
    started = device.start()
    door().approve(started)
    tried.clear()
    assert device.poll(started).status_code == 200
    assert tried == ["device.redeemed", "tokens.issued"]
