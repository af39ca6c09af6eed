"""From approval to tokens: 200 devices that are notified by push, and 200 that poll, in one run."""

import asyncio
import random
import time

import httpx

from benchmarks.product import (
    Approver,
    Product,
    next_event,
    open_event_stream,
    poll,
    quantiles,
    request_device_code,
)

DEVICES = 200
AT_ONCE = 25


async def measure_push(product: Product, http: httpx.AsyncClient, person: Approver) -> float:
    """Return the seconds from the approval's request to the tokens of one device that listens."""
    started = await request_device_code(http)
    reader, writer = await open_event_stream(product, started["device_code"])
    approved = time.perf_counter()
    approval = asyncio.create_task(person.approve(started["user_code"]))
    await asyncio.wait_for(next_event(reader), 30)
    received = await poll(http, started["device_code"])
    taken = time.perf_counter() - approved
    await approval
    writer.close()
    if not received:
        raise SystemExit("the wake-up came before the decision")
    return taken


async def measure_poll(http: httpx.AsyncClient, person: Approver) -> float:
    """Return the seconds from the approval to the tokens of one device that polls every five seconds.

    It is approved at a random moment of that interval.
    """
    started = await request_device_code(http)
    first_poll = time.perf_counter() + started["interval"]
    await asyncio.sleep(random.uniform(0, started["interval"]))
    approved = time.perf_counter()
    await person.approve(started["user_code"])
    due = first_poll
    while True:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if await poll(http, started["device_code"]):
            return time.perf_counter() - approved
        due += started["interval"]


async def measure(product: Product) -> tuple[list[float], list[float]]:
    """Return the seconds of both kinds, measured with ``AT_ONCE`` devices at a time."""
    person, gate = Approver(product), asyncio.Semaphore(AT_ONCE)
    await person.sign_in()
    approving = asyncio.Lock()  # one person approves one device at a time
    async with httpx.AsyncClient(base_url=product.url, timeout=30) as http:

        async def push() -> float:
            async with gate, approving:
                return await measure_push(product, http, person)

        async def wait() -> float:
            async with gate:
                return await measure_poll(http, person)

        by_push = await asyncio.gather(*(push() for _ in range(DEVICES)))
        by_poll = await asyncio.gather(*(wait() for _ in range(DEVICES)))
    return list(by_push), list(by_poll)


def main() -> None:
    """Print the table."""
    with Product() as product:
        product.start()
        by_push, by_poll = asyncio.run(measure(product))
    print(f"| {DEVICES} devices | median ms | p99 ms |\n| --- | --- | --- |")
    print(f"| told by push | {quantiles(by_push)} |\n| polling every 5 s | {quantiles(by_poll)} |")


if __name__ == "__main__":
    main()
