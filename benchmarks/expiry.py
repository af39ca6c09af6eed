"""Polls while 200,000 stale codes expire: how long the batches hold the database, how long polls take."""

import asyncio
import sqlite3
import time
from datetime import UTC, datetime, timedelta

import httpx

from benchmarks.product import Product, poll, quantiles, request_device_code

STALE = 200_000
POLLERS = 20


def insert_overdue(product: Product) -> None:
    """Insert overdue rows directly, as copies of one that the product created."""
    with sqlite3.connect(product.folder / "foyer.sqlite3") as database:
        names = [
            row[1] for row in database.execute("PRAGMA table_info(devices_devicecode)") if row[1] != "id"
        ]
        own = {"device_code_hash": "'x' || n", "user_code_hash": "'x' || n", "expires_at": "?"}
        columns = ", ".join(own.get(name, f'd."{name}"') for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        overdue = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {STALE})"
        statement = (
            f"{numbers} INSERT INTO devices_devicecode ({quoted}) SELECT {columns} FROM c, (SELECT * "
            "FROM devices_devicecode LIMIT 1) d"
        )
        database.execute(statement, [overdue])


def count_overdue(product: Product) -> int:
    """Return how many codes are still to be expired."""
    with sqlite3.connect(product.folder / "foyer.sqlite3") as database:
        overdue = (
            "SELECT count(*) FROM devices_devicecode WHERE state = 'pending' AND device_code_hash LIKE 'x%'"
        )
        return int(database.execute(overdue).fetchone()[0])


async def measure(product: Product, sweeping: bool) -> tuple[list[float], float]:
    """Return the seconds of polls until nothing is stale (or for fifteen seconds), and the duration.

    Waiting devices poll, each at its interval.
    """
    taken: list[float] = []
    async with httpx.AsyncClient(base_url=product.url, timeout=60) as http:
        started = [await request_device_code(http) for _ in range(POLLERS)]
        if sweeping:
            await asyncio.to_thread(insert_overdue, product)
        start = time.perf_counter()
        done = asyncio.Event()

        async def device(code: str) -> None:
            while not done.is_set():
                at = time.perf_counter()
                await poll(http, code)
                taken.append(time.perf_counter() - at)
                await asyncio.sleep(0.5)

        devices = [asyncio.create_task(device(each["device_code"])) for each in started]
        while time.perf_counter() - start < (600 if sweeping else 15):
            await asyncio.sleep(1)
            if sweeping and not await asyncio.to_thread(count_overdue, product):
                break
        done.set()
        await asyncio.gather(*devices)
    return taken, time.perf_counter() - start


def main() -> None:
    """Print the table."""
    with Product() as product:
        product.start()
        quiet, _ = asyncio.run(measure(product, sweeping=False))
        busy, seconds = asyncio.run(measure(product, sweeping=True))
    print(
        "| polls (two a second from each of 20 devices) | median ms | p99 ms | longest ms |\n| --- | --- | "
        "--- | --- |"
    )
    print(f"| nothing to expire | {quantiles(quiet)} | {1000 * max(quiet):.0f} |")
    print(
        f"| while {STALE:,} codes are expired, {seconds:.0f} s | {quantiles(busy)} | {1000 * max(busy):.0f} |"
    )


if __name__ == "__main__":
    main()
