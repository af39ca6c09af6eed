"""Redis hangs, or is gone, under a serving process.

No request waits for it, it is logged once, and it is found again.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from pytest_django import Settings
from redis import Redis

from idp.events import notify
from idp.foundation import breaker
from idp.runtime.logs import configure
from idp.tenancy.models import Tenant
from tests.modes.running_cluster import wait_for
from tests.support.client import Door, Doors, LiveServer, Started
from tools import servers
from tools.servers import LocalServer
from web.server import health

pytestmark = pytest.mark.both_modes


@pytest.fixture
def redis(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalServer]:
    """A separate Redis for the cache and the wake-ups of this process."""
    server = servers.redis(tmp_path_factory.mktemp("redis"))
    server.start()
    settings.REDIS_URL, settings.EMBEDDED = server.url, False
    settings.CACHES = {
        "default": {
            "BACKEND": "idp.foundation.redis_cache.Cache",
            "LOCATION": server.url,
            "KEY_PREFIX": "test",
        }
    }
    hosts = [{"address": server.url}]
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": hosts}}
    }
    monkeypatch.setattr(breaker, "REDIS", breaker.Breaker())
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0.0)
    yield server
    if server.child.exit_code is None:
        wake(server)
    server.stop()


def hang(server: LocalServer) -> None:
    """Make Redis accept connections and respond to nothing any more."""
    _signal(server, signal.SIGSTOP)


def wake(server: LocalServer) -> None:
    """Let Redis go on."""
    _signal(server, signal.SIGCONT)


def _signal(server: LocalServer, number: signal.Signals) -> None:
    assert server.child.process is not None
    os.kill(server.child.process.pid, number)


OUTAGES: dict[str, tuple[Callable[[LocalServer], None], Callable[[LocalServer], None]]] = {
    "hangs": (hang, wake),
    "gone": (lambda server: server.child.stop(), lambda server: server.start()),
}


def error(device: Door, started: Started) -> str:
    """The error code of a poll."""
    return str(device.poll(started).json()["error"])


def lines(said: str, event: str) -> list[dict[str, Any]]:
    """The log's lines of one kind."""
    return [
        line
        for line in map(json.loads, filter(lambda each: each.startswith("{"), said.splitlines()))
        if line["event"] == event
    ]


@pytest.mark.parametrize("outage", OUTAGES)
def test_no_poll_waits(
    redis: LocalServer, door: Doors, capfd: pytest.CaptureFixture[str], outage: str
) -> None:
    """A poll has two questions for Redis.

    Of ten polls one waits, a quarter of a second; then slow_down is known again.
    """
    away, again = OUTAGES[outage]
    configure({"format": "json"})
    device, stranger = door(), door("other.test")
    started = device.start()
    assert [error(device, started) for _ in range(2)] == ["authorization_pending", "slow_down"]
    capfd.readouterr()
    away(redis)
    begun = time.monotonic()
    assert {error(device, started) for _ in range(10)} == {"authorization_pending"}
    assert time.monotonic() - begun < 1.5
    begun = time.monotonic()
    assert error(stranger, stranger.start()) == "authorization_pending"
    assert time.monotonic() - begun < 0.5
    again(redis)
    wait_for(lambda: error(device, started) == "slow_down", 10)
    said = capfd.readouterr().err
    assert [line["level"] for line in lines(said, "redis.away") + lines(said, "redis.back")] == [
        "warning"
    ] * 2
    assert "Traceback" not in said


def test_what_else_could_be_asked_of_the_cache_does_not_wait_either(redis: LocalServer) -> None:
    """That covers operations that no code uses today."""
    cache.set("a", 1)
    hang(redis)
    begun = time.monotonic()
    for _ in range(5):
        read: list[object] = [cache.get("a"), cache.get_many(["a", "b"]), cache.has_key("a")]
        assert read == [None, {}, None]
        written: list[object] = [cache.add("b", 1), cache.incr("a"), cache.delete("a")]
        assert written == [None, None, None]
        assert cache.get_or_set("c", 5) == 5
    assert time.monotonic() - begun < 1.5


def test_one_at_a_time_tries_again(redis: LocalServer) -> None:
    """Of many threads one tries again a second later."""
    hang(redis)
    cache.get("a")
    with ThreadPoolExecutor(16) as threads:
        wait_for(lambda: time.monotonic() > breaker.REDIS._next, 5)
        begun = time.monotonic()
        took = list(threads.map(lambda _: _timed(lambda: cache.get("a")), range(200)))
    assert sum(one > 0.2 for one in took) == 1, took
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("outage", OUTAGES)
def test_readiness_says_it_and_stays(redis: LocalServer, live: LiveServer, outage: str) -> None:
    """Without Redis everything works, at most half a second later."""
    away, again = OUTAGES[outage]
    whole = (200, {"ready": True, "reasons": [], "redis": "here"})
    assert ready(live) == whole
    away(redis)
    assert [ready(live), ready(live)] == [(200, {**whole[1], "redis": "away"})] * 2
    again(redis)
    wait_for(lambda: ready(live) == whole, 10)


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_process_that_starts_meanwhile(
    redis: LocalServer,
    transactional_db: None,
    tenants: dict[str, Tenant],
    capfd: pytest.CaptureFixture[str],
    outage: str,
) -> None:
    """It serves at once, says once that it does not hear the others, and hears them when Redis is back."""
    away, again = OUTAGES[outage]
    configure({"format": "json"})
    away(redis)
    with LiveServer() as live:
        assert ready(live) == (200, {"ready": True, "reasons": [], "redis": "away"})
        assert _start(live).status_code == 200
        again(redis)
        with Redis.from_url(redis.url) as client:
            wait_for(lambda: client.pubsub_channels("*__group__*"), 30)
        wait_for(lambda: ready(live)[1]["redis"] == "here", 10)
    said = capfd.readouterr().err
    assert [len(lines(said, event)) for event in ("redis.away", "redis.back")] == [1, 1]
    assert len(lines(said, "channel layer failed")) <= 1


def test_a_full_redis_is_logged(redis: LocalServer, live: LiveServer) -> None:
    """It responds, and stores nothing."""
    with Redis.from_url(redis.url) as client:
        client.config_set("maxmemory", 1)
    assert ready(live) == (200, {"ready": True, "reasons": [], "redis": "away"})


def test_wake_ups_do_not_pile_up(redis: LocalServer, live: LiveServer) -> None:
    """Each that cannot be sent is given up; the table has its news."""
    hang(redis)
    for _ in range(30):
        assert _start(live).status_code == 200
    loop = notify._Loops.serving
    assert loop is not None

    async def sending() -> int:
        return sum("_send" in repr(task.get_coro()) for task in asyncio.all_tasks())

    wait_for(lambda: asyncio.run_coroutine_threadsafe(sending(), loop).result() == 0, 3)


def ready(live: LiveServer) -> tuple[int, dict[str, Any]]:
    """The response to a load balancer."""
    found = httpx.get(f"http://127.0.0.1:{live.port}/health/ready", timeout=30)
    return found.status_code, found.json()


def _start(live: LiveServer) -> httpx.Response:
    address, host = f"http://127.0.0.1:{live.port}/application/o/device/", {"Host": f"acme.test:{live.port}"}
    return httpx.post(address, data={"client_id": "tv"}, headers=host, timeout=30)


def _timed(ask: Callable[[], object]) -> float:
    begun = time.monotonic()
    ask()
    return time.monotonic() - begun
