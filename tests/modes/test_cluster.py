"""The device journey over two web processes, a worker, PostgreSQL and Redis, while some of them die.

Nothing is lost, and nothing is doubled.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from django.conf import settings

from tests.modes.running_cluster import Cluster, Listener, Person, free_port, poll, refresh, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("servers")]
TIMELINE = ["device.started", "device.code_entered", "device.approved", "device.redeemed"]
EXPIRE = "idp.devices.tasks.expire_device_codes"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that is started once; each test leaves it whole."""
    running = Cluster()
    yield running
    running.close()


def families(cluster: Cluster) -> int:
    """How many token families were ever issued."""
    return int(cluster.sql("SELECT count(*) FROM oauth_tokenfamily")[0][0])


def test_a_wake_up_crosses_from_one_process_to_the_other(cluster: Cluster) -> None:
    """D43, D27: started and waiting at one process, approved at the other: the device is notified.

    It polls at both for one set of tokens, which work at both.
    """
    first, second = cluster.webs
    before = families(cluster)
    device, person = start(first), Person()
    listener = Listener(first, device)
    person.at_consent(second, device)
    assert poll(first, device)[1]["error"] == "authorization_pending"
    person.approve(second)
    assert listener.hears() == "approved"
    status, tokens = poll(second, device)
    assert status == 200
    assert listener.hears() == "redeemed"
    status, again = poll(first, device)
    assert (status, again["access_token"], again["refresh_token"]) == (
        200,
        tokens["access_token"],
        tokens["refresh_token"],
    )
    assert refresh(first, tokens)[0] == 200
    assert cluster.timeline(device) == TIMELINE
    assert families(cluster) == before + 1


def test_the_processes_hear_each_other_through_redis(cluster: Cluster) -> None:
    """Both web processes are subscribed to one channel, whose name begins with this installation's prefix."""
    assert wait_for(lambda: _subscribed(cluster), 10)


def test_the_worker_is_killed_in_the_middle(cluster: Cluster) -> None:
    """Of thousands of stale codes each is expired and announced exactly once.

    Meanwhile a device is approved and served.
    """
    first, second = cluster.webs
    stale = 15_000
    template = start(first)
    _many_stale(cluster, stale)
    cluster.call(EXPIRE)
    wait_for(lambda: 0 < _expired(cluster) < stale, 60)
    killed = cluster.kill("worker")
    assert 0 < _expired(cluster) < stale
    person = Person()
    person.at_consent(second, template)
    person.approve(first)
    assert poll(second, template)[0] == 200
    cluster.again("worker", killed)
    cluster.call(EXPIRE)
    wait_for(lambda: _expired(cluster) == stale, 120)
    expired = cluster.sql(
        "SELECT count(*), count(DISTINCT topic) FROM events_event WHERE kind = 'device.expired'"
    )
    assert expired == [(stale, stale)]
    assert cluster.timeline(template) == TIMELINE


def test_redis_is_restarted_in_the_middle(cluster: Cluster) -> None:
    """While it is away everything goes on, the wake-up too.

    Afterwards both web processes and the worker find it again.
    """
    first, second = cluster.webs
    device, person = start(first), Person()
    person.at_consent(second, device)
    listener = Listener(first, device)
    killed = cluster.kill("redis")
    assert poll(second, device)[1]["error"] == "authorization_pending"
    person.approve(second)
    assert listener.hears() == "approved"
    status, tokens = poll(first, device)
    assert (status, listener.hears()) == (200, "redeemed")
    assert refresh(second, tokens)[0] == 200
    assert cluster.timeline(device) == TIMELINE
    cluster.again("redis", killed)
    assert wait_for(lambda: _subscribed(cluster), 30)
    late = start(second)
    cluster.sql(
        "UPDATE devices_devicecode SET expires_at = now() - interval '1 minute' WHERE state = 'pending'"
    )
    cluster.call(EXPIRE)
    wait_for(lambda: cluster.timeline(late) == ["device.started", "device.expired"], 60)


def test_redis_hangs_in_the_middle(cluster: Cluster) -> None:
    """Redis accepts connections and does not respond: no request waits for it.

    Both processes log it once, stay ready, and find it again.
    """
    first, second = cluster.webs
    # after the restarts of the tests before this one
    wait_for(lambda: {cache_is(web) for web in cluster.webs} == {"here"}, 30)
    device, person = start(first), Person()
    person.at_consent(second, device)
    listener, before = Listener(first, device), len(cluster.said)
    hung = cluster.pid("redis")
    os.kill(hung, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert {poll(web, device)[1]["error"] for web in cluster.webs * 10} == {"authorization_pending"}
        assert time.monotonic() - begun < 5
        wait_for(lambda: {cache_is(web) for web in cluster.webs} == {"away"}, 5)
        person.approve(second)
        assert listener.hears() == "approved"
        assert poll(first, device)[0] == 200
    finally:
        os.kill(hung, signal.SIGCONT)
    wait_for(lambda: {cache_is(web) for web in cluster.webs} == {"here"}, 30)
    said = cluster.said[before:]
    assert (said.count('"redis.away"'), said.count('"redis.back"')) == (2, 2)
    assert "Traceback" not in said


def test_a_web_process_without_redis_ends_on_sigterm(cluster: Cluster) -> None:
    """The task that reads from Redis gets no cancellation then, and must block no shutdown."""
    port, environment = free_port(), cluster.environment(cluster.pid("web 0"))
    environment |= {"PORT": str(port), "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "manage.py", "web"]

    def cache() -> str:
        try:
            return cache_is(f"http://127.0.0.1:{port}")
        except requests.ConnectionError:
            return ""

    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(lambda: cache() or process.poll() is not None, 90)
            assert cache() == "away"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, 1, -signal.SIGTERM)
        finally:
            process.kill()


def test_a_web_process_is_killed_in_the_middle(cluster: Cluster) -> None:
    """The other process takes over its listener and its half-shown page.

    Racing polls on both still give one set of tokens.
    """
    first, second = cluster.webs
    before = families(cluster)
    device, person = start(first), Person()
    listener = Listener(second, device)
    person.at_consent(second, device)
    killed = cluster.kill("web 1")
    assert listener.hears() is None
    listener = Listener(first, device)
    person.approve(first)
    assert listener.hears() == "approved"
    cluster.again("web 1", killed)
    answers = _racing_polls(cluster, device)
    assert len(set(answers) - {"invalid_grant", "gone"}) <= 1  # none when each response died with its process
    assert cluster.timeline(device) == TIMELINE
    assert families(cluster) == before + 1


def test_ctrl_c_ends_everything(cluster: Cluster) -> None:
    """No process outlives it, and none logs an error."""
    parts = {name: cluster.pid(name) for name in ("web 0", "web 1", "worker", "beat", "redis", "postgres")}
    assert all(parts.values()), parts
    code, seconds = cluster.interrupt()
    assert code == 0, cluster.said
    assert seconds < 20
    assert {name: _runs(pid) for name, pid in parts.items()} == dict.fromkeys(parts, False)
    assert "Traceback" not in cluster.said.split("Foyer is running at")[0]


def cache_is(web: str) -> str:
    """What a ready process reports of Redis; it looks once a second."""
    found = requests.get(web + "/health/ready", timeout=5, proxies={"http": ""})
    assert found.status_code == 200
    return str(found.json()["redis"])


def _racing_polls(cluster: Cluster, device: dict[str, Any]) -> Counter[str]:
    """Forty polls at once on both processes; the second one dies among them."""
    gate = threading.Barrier(41)

    def one(web: str) -> str:
        gate.wait()
        try:
            status, answer = poll(web, device)
        except requests.RequestException:
            return "gone"
        return str(answer["access_token"] if status == 200 else answer["error"])

    with ThreadPoolExecutor(40) as threads:
        answers = threads.map(one, cluster.webs * 20)
        gate.wait()
        killed = cluster.kill("web 1")
        found = Counter(answers)
    cluster.again("web 1", killed)
    return found


def _subscribed(cluster: Cluster) -> bool:
    """Whether two processes listen to the group's channel."""
    with cluster.redis() as redis:
        channels = redis.pubsub_channels("foyer-*__group__*")
        return len(channels) == 1 and redis.pubsub_numsub(*channels)[0][1] == 2


def _many_stale(cluster: Cluster, count: int) -> None:
    """Copies of a pending code that has run out."""
    names = [
        row[0]
        for row in cluster.sql(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'devices_devicecode'"
        )
    ]
    values = {name: name for name in names} | {
        "device_code_hash": "md5('d' || n)",
        "user_code_hash": "md5('u' || n)",
        "expires_at": "now() - interval '1 minute'",
    }
    del values["id"]
    source = (
        "(SELECT * FROM devices_devicecode WHERE state = 'pending' LIMIT 1) AS one, generate_series(1, %s) "
        "AS n"
    )
    cluster.sql(
        (
            f"INSERT INTO devices_devicecode ({', '.join(values)}) SELECT {', '.join(values.values())} "  # noqa: S608
            f"FROM {source}"
        ),
        count,
    )


def _expired(cluster: Cluster) -> int:
    return int(cluster.sql("SELECT count(*) FROM devices_devicecode WHERE state = 'expired'")[0][0])


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
