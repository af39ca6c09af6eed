"""Plan and apply of 10 to 10,000 objects, the longest write lock, and a file of a billion laughs.

Devices poll while the lock is held.
"""

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.product import ROOT, Product, poll, quantiles, request_device_code

SIZES = (10, 100, 1_000, 10_000)
POLLERS = 20
LAUGHS = "\n".join(
    [
        "tenant: acme",
        "x0: &x0 [" + "ha, " * 9 + "ha]",
        *(f"x{at}: &x{at} [{', '.join([f'*x{at - 1}'] * 10)}]" for at in range(1, 10)),
    ]
)


def objects(tenant: str, count: int, title: str) -> str:
    """Return a tenant with this many objects.

    Most of them are people, then applications, groups, scopes and up to ten flows.
    """
    texts = [f"tenant: {tenant}\n", "scope: s\ntitle: S\n", "group: g\n"]
    flows = min(10, count // 10)
    texts += [
        f"flow: f{at}\ntitle: {title}\nfor: part\nsteps: [{{stage: identification}}, {{stage: password}}]\n"
        for at in range(flows)
    ]
    for at in range(count - flows - 3):
        if at % 10 < 7:
            texts.append(
                f"person: p{at}\nname: {title} {at}\nemail: p{at}@{tenant}.test\nemail_verified: "
                "true\ngroups: [g]\n"
            )
        elif at % 10 < 9:
            texts.append(
                f"application: a{at}\ntitle: {title} {at}\nclient_id: a{at}\ngrants: [device_code, "
                "refresh_token]\nscopes: [s, openid]\n"
            )
        else:
            texts.append(f"scope: s{at}\ntitle: {title} {at}\n")
    return "---\n".join(texts)


def sizes() -> None:
    """Print the first table; run it in its own process, on its own database."""
    import django  # noqa: PLC0415  after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from blueprints.files import apply as applying  # noqa: PLC0415
    from blueprints.files.plan import make_plan  # noqa: PLC0415
    from idp.runtime import files  # noqa: PLC0415

    files.prepare()
    call_command("migrate", verbosity=0)
    file, lock_seconds = Path(os.environ["FOYER_DATA"]) / "b.yaml", [0.0]
    write = applying._write_all

    def timed(*arguments: Any) -> None:
        start = time.perf_counter()
        write(*arguments)
        lock_seconds[0] = time.perf_counter() - start

    applying._write_all = timed  # type: ignore[assignment]  # measured as it is

    def seconds(verb: Callable[..., object], times: int = 1) -> float:
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            verb([file])
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    for count in SIZES:
        file.write_text(objects(f"t{count}", count, "old"))
        created = [seconds(make_plan, 3), seconds(applying.apply), lock_seconds[0]]
        with CaptureQueriesContext(connection) as queries:
            unchanged = [seconds(make_plan), len(queries)]
        unchanged[0] = seconds(make_plan, 3)
        file.write_text(objects(f"t{count}", count, "new"))
        changed = [seconds(make_plan, 3), seconds(applying.apply), lock_seconds[0]]
        cells = [
            f"{count:,}",
            *(f"{each:.2f}" for each in (*created, *changed, unchanged[0])),
            str(unchanged[1]),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def laughs() -> None:
    """Print the seconds and MiB for reading the file of a billion laughs; run it in its own process."""
    import django  # noqa: PLC0415

    django.setup()
    from blueprints.files.problems import BadBlueprint  # noqa: PLC0415
    from blueprints.files.read import read  # noqa: PLC0415

    file = Path(os.environ["FOYER_DATA"]) / "laughs.yaml"
    file.write_text(LAUGHS)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        read([file])
    except BadBlueprint as bad:
        taken, grown = (
            time.perf_counter() - start,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
        )
        print(
            f"| {len(LAUGHS):,} bytes for 10¹⁰ texts | {1000 * taken:.1f} | {grown / 1024:.1f} | "
            f"{bad.problems[0].message} |"
        )


async def polled(product: Product, while_: Callable[[], object]) -> tuple[list[float], int, float]:
    """Return the seconds of polls, the number of errors, and the duration of ``while_``.

    Waiting devices poll twice a second each while it runs.
    """
    taken, errors = list[float](), 0
    async with httpx.AsyncClient(base_url=product.url, timeout=60) as http:
        codes = [(await request_device_code(http))["device_code"] for _ in range(POLLERS)]
        thread = threading.Thread(target=while_)
        start = time.perf_counter()
        thread.start()

        async def device(code: str) -> None:
            nonlocal errors
            while thread.is_alive():
                at = time.perf_counter()
                try:
                    await poll(http, code)
                except (SystemExit, httpx.HTTPError, ValueError):
                    errors += 1
                taken.append(time.perf_counter() - at)
                await asyncio.sleep(0.5)

        await asyncio.gather(*map(device, codes))
    return taken, errors, time.perf_counter() - start


def _apply(product: Product, file: Path, word: str) -> None:
    file.write_text(objects("many", 10_000, word))
    product.manage("blueprint", "apply", str(file))


def polls() -> None:
    """Print the second table."""
    print(
        "\n| polls (two a second from each of 20 devices) | seconds | median ms | p99 ms | longest ms | "
        "errors |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    with Product() as product:
        product.start()
        file = product.folder / "many.yaml"
        tasks: dict[str, Callable[[], object]] = {"nothing else": lambda: time.sleep(15)}
        for word, title in (("old", "10,000 objects are created"), ("new", "10,000 objects are changed")):
            tasks[f"while {title}"] = partial(_apply, product, file, word)
        for title, task in tasks.items():
            taken, errors, seconds = asyncio.run(polled(product, task))
            print(
                f"| {title} | {seconds:.0f} | {quantiles(taken)} | {1000 * max(taken):.0f} | {errors} |",
                flush=True,
            )


def run_alone(name: str) -> None:
    """Run one benchmark in its own process, on its own folder."""
    folder = tempfile.mkdtemp(prefix="foyer-benchmark-")
    environment = {
        **os.environ,
        "FOYER_DATA": folder,
        "FOYER_LOG": "json",
        "DJANGO_SETTINGS_MODULE": "idp.settings",
    }
    try:
        command = [sys.executable, "-m", "benchmarks.blueprints", name]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print the tables."""
    print(
        "| objects | plan, new: s | apply | its lock | plan, all changed: s | apply | its lock | plan, "
        "unchanged: s | its queries |"
    )
    print("|" + " --- |" * 9, flush=True)
    run_alone("sizes")
    polls()
    print("\n| a billion laughs | ms | MiB | said |\n| --- | --- | --- | --- |", flush=True)
    run_alone("laughs")


if __name__ == "__main__":
    {"sizes": sizes, "laughs": laughs, "polls": polls}.get("".join(sys.argv[1:]), main)()
