"""Journeys through two web processes, a worker, PostgreSQL and Redis while each of them is killed.

Exits with 1 unless no approval was lost, none was redeemed twice and none was reversed, and the events agree.
``python -m benchmarks.faults [JOURNEYS]``: this many for each fault, 10 by default.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import sha256

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")

from benchmarks.journey import Journey, people, run_journeys
from benchmarks.product import ROOT
from tests.modes.running_cluster import HOST, Cluster

AT_ONCE = 8
MAX_JOURNEYS = 200  # journeys per fault
OVER_SECONDS = 8
AFTER_SECONDS = 2
AWAY_SECONDS = 8
EVENT_OF_STATE = {"approved": "device.approved", "denied": "device.denied", "redeemed": "device.redeemed"}


def kill(cluster: Cluster, process: str) -> None:
    """Kill one process as the kernel does when memory runs out, and wait until it was restarted."""
    cluster.again(process, cluster.kill(process))


def pause(cluster: Cluster, process: str) -> None:
    """Pause one process, so that it neither responds nor refuses, and let it continue."""
    pid = cluster.pid(process)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(AWAY_SECONDS)
    os.kill(pid, signal.SIGCONT)


def no_fault(cluster: Cluster) -> None:
    """Break nothing, for comparison."""


FAULTS: dict[str, Callable[[Cluster], None]] = {
    "none": no_fault,
    "kill -9 of a web process": partial(kill, process="web 1"),
    "kill -9 of the worker": partial(kill, process="worker"),
    "kill -9 of beat": partial(kill, process="beat"),
    "kill -9 of PostgreSQL": partial(kill, process="postgres"),
    "kill -9 of Redis": partial(kill, process="redis"),
    f"Redis stopped for {AWAY_SECONDS} s": partial(pause, process="redis"),
}


def main(count: int) -> int:
    """Print one table; return the exit code."""
    cluster = Cluster(FOYER_TRUSTED_PROXIES="127.0.0.1", FOYER_DEMO="on")
    try:
        file = cluster.folder / "people.yaml"
        file.write_text(people(count * len(FAULTS)))
        command = [sys.executable, "manage.py", "blueprint", "apply", str(file)]
        subprocess.run(
            command, cwd=ROOT, env=cluster.environment(cluster.pid("beat")), check=True, capture_output=True
        )
        print(
            "| fault | journeys | lost | doubled | turned round | events differ | gave up | requests "
            "repeated | seconds |"
        )
        print(f"|{' --- |' * 9}")
        wrong = 0
        for number, (name, fault) in enumerate(FAULTS.items()):
            start = time.monotonic()
            ended = asyncio.run(_run_under_fault(cluster, range(number * count, (number + 1) * count), fault))
            found = sum((_compare(cluster, journey) for journey in ended), Counter[str]())
            columns = [found[each] for each in ("lost", "doubled", "turned", "differ", "gave up")]
            wrong += sum(columns)
            repeated = sum(journey.faults for journey in ended)
            print(
                "|",
                " | ".join(map(str, [name, len(ended), *columns, repeated, round(time.monotonic() - start)])),
                "|",
                flush=True,
            )
        return 1 if wrong else 0
    finally:
        cluster.close()


async def _run_under_fault(
    cluster: Cluster, numbers: range, fault: Callable[[Cluster], None]
) -> list[Journey]:
    """Run these journeys while the fault happens."""

    async def break_it() -> None:
        await asyncio.sleep(AFTER_SECONDS)
        await asyncio.to_thread(fault, cluster)

    ended, _ = await asyncio.gather(
        run_journeys(list(cluster.webs), numbers, host=HOST, at_once=AT_ONCE, over=OVER_SECONDS), break_it()
    )
    return ended


def _compare(cluster: Cluster, journey: Journey) -> Counter[str]:
    """Compare what a journey's client saw with the row and the events of its device."""
    found = Counter[str]()
    hashed = sha256(journey.device_code.encode()).hexdigest()
    rows = cluster.sql("SELECT id, state FROM devices_devicecode WHERE device_code_hash = %s", hashed)
    if not rows or not journey.decision:
        return Counter(["gave up"])
    [(pk, state)] = rows
    events = Counter(
        kind for (kind,) in cluster.sql("SELECT kind FROM events_event WHERE topic = %s", f"device:{pk}")
    )
    approved, tokens = journey.decision == "approve", "tokens" in journey.results
    found["lost"] = int(approved and not (tokens and journey.used))
    found["doubled"] = int(
        events["device.redeemed"] > 1 or events["device.approved"] + events["device.denied"] > 1
    )
    found["turned"] = int(approved == (state == "denied") or (tokens and not approved))
    expected = (
        {"device.approved", "device.redeemed"} if state == "redeemed" else {EVENT_OF_STATE.get(state, "")}
    )
    # Anyone can cause start events, so a tenant stores at most 300 a minute.
    found["differ"] = int(
        {kind for kind in events if kind in EVENT_OF_STATE.values()} != expected
        or events["device.started"] > 1
    )
    return found


if __name__ == "__main__":
    sys.exit(main(min(int(sys.argv[1]) if len(sys.argv) > 1 else 10, MAX_JOURNEYS)))
