"""2,000 waiting listeners in one process: the cost of each, and the time to notify and disconnect them."""

import asyncio
import random
import time

import httpx

from benchmarks.product import (
    Approver,
    Product,
    next_event,
    open_event_stream,
    quantiles,
    request_device_code,
)

LISTENERS = 2000
APPROVED = 50


async def measure(product: Product) -> dict[str, str]:
    """Open all streams, approve some devices, and stop the server under the rest; return the rows."""
    before, threads_before = product.memory()
    person = Approver(product)
    await person.sign_in()
    async with httpx.AsyncClient(base_url=product.url, timeout=60) as http:
        started = [await request_device_code(http) for _ in range(LISTENERS)]
    seeded, _ = product.memory()
    opening = time.perf_counter()
    streams = [await open_event_stream(product, each["device_code"]) for each in started]
    opened = time.perf_counter() - opening
    await asyncio.sleep(2)
    after, threads = product.memory()
    taken = []
    for index in random.sample(range(LISTENERS), APPROVED):
        start = time.perf_counter()
        approval = asyncio.create_task(person.approve(started[index]["user_code"]))
        await asyncio.wait_for(next_event(streams[index][0]), 30)
        taken.append(time.perf_counter() - start)
        await approval
    stopping = await asyncio.to_thread(product.stop)
    for _, writer in streams:
        writer.close()
    return {
        "opened per second": f"{LISTENERS / opened:.0f}",
        "memory each": f"{1024 * (after - seeded) / LISTENERS:.1f} KiB",
        "process before and with all": f"{before:.0f} and {after:.0f} MiB",
        "threads before and with all": f"{threads_before} and {threads}",
        "approval's request to the right listener, median and p99": quantiles(taken).replace(" |", " and")
        + " ms",
        "shutdown with all of them": f"{stopping:.2f} s",
    }


def main() -> None:
    """Print the table."""
    with Product(FOYER_LISTENERS_PER_ADDRESS=str(LISTENERS + 10)) as product:
        product.start()
        rows = asyncio.run(measure(product))
    print(f"| {LISTENERS} listeners | |\n| --- | --- |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
