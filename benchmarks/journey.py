"""A whole journey over HTTP: a device requests a code, a person decides, the device uses its tokens.

The person signs in and decides in a JSON run. The device polls for its tokens.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.product import GRANT

PASSWORD = "a quiet orchard in March"
_RETRIED = (httpx.TransportError,)
_SECONDS = 120  # a longer journey is abandoned


@dataclass
class Journey:
    """What the client of a journey saw.

    ``decision``: what the person submitted and the server confirmed, "" before.
    """

    number: int
    decision: str = ""
    device_code: str = field(default="", repr=False)
    # of the token endpoint: each "tokens" or an error, without authorization_pending and slow_down
    results: list[str] = field(default_factory=list)
    used: bool = False  # userinfo accepted the token
    faults: int = 0  # requests that had to be repeated


class RetryingClient:
    """A client that retries: on a broken connection, 429 or 5xx it waits and tries the next server."""

    def __init__(self, urls: list[str], number: int, host: str) -> None:
        # Each journey has its own network, because budgets are not to be measured.
        address = f"10.{number // 65_536 % 256}.{number // 256 % 256}.{number % 256}"
        headers = {"X-Forwarded-For": address, "Host": host}
        self.https = [
            httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) for url in urls
        ]
        self.at, self.faults, self.end = number % len(urls), 0, time.monotonic() + _SECONDS

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the first usable response; raise TimeoutError when the journey takes too long."""
        while time.monotonic() < self.end:
            try:
                response = await self.https[self.at].request(method, path, **more)
                if response.status_code < 500 and response.status_code != 429:
                    return response
            except _RETRIED:
                pass
            self.faults += 1
            self.at = (self.at + 1) % len(self.https)
            await asyncio.sleep(0.3)
        raise TimeoutError(path)

    async def close(self) -> None:
        """Close all connections."""
        for http in self.https:
            await http.aclose()


async def run_journey(
    urls: list[str], number: int, *, host: str, approve: float = 0.6, pause: float = 1
) -> Journey:
    """Run one journey as the person ``p<number>``; approve with this probability, deny otherwise."""
    client, journey = RetryingClient(urls, number, host), Journey(number)
    try:
        started = (
            await client.send(
                "POST", "/application/o/device/", data={"client_id": "demo-device", "scope": "openid"}
            )
        ).json()
        journey.device_code = started["device_code"]
        decision = "approve" if random.random() < approve else "deny"
        await _decide(client, number, started["user_code"], decision)
        journey.decision = decision
        await _redeem(client, journey, pause)
    except TimeoutError:
        journey.results.append("timeout")
    finally:
        journey.faults = client.faults
        await client.close()
    return journey


async def _decide(client: RetryingClient, number: int, user_code: str, decision: str) -> None:
    """Sign in, enter the code and decide.

    A late or duplicate answer returns the same challenge again.
    """
    answers = {
        "identification": {"name": f"p{number}"},
        "password": {"password": PASSWORD},
        "device_code": {"user_code": user_code},
        "consent": {"decision": decision},
    }
    created = await client.send("POST", "/api/runs/", json={"for": "device_code"})
    challenge, secret = created.json(), created.json().get("secret", "")
    url = challenge.get("url", "")
    headers = {"Authorization": f"Run {secret}"}
    while challenge.get("kind") in ("ask", "continue"):
        step = challenge["step"]
        challenge = (
            await client.send(
                "POST", url, json={"step": step, "answer": answers.get(step, {})}, headers=headers
            )
        ).json()
    if challenge.get("kind") not in ("last", "finished", "leave", "denied"):
        raise TimeoutError(f"the run broke off: {challenge}")


async def _redeem(client: RetryingClient, journey: Journey, pause: float) -> None:
    form = {"grant_type": GRANT, "client_id": "demo-device", "device_code": journey.device_code}
    while True:
        response = await client.send("POST", "/application/o/token/", data=form)
        body = response.json()
        if response.status_code == 200:
            journey.results.append("tokens")
            headers = {"Authorization": f"Bearer {body['access_token']}"}
            journey.used = (
                await client.send("GET", "/application/o/userinfo/", headers=headers)
            ).status_code == 200
            return
        if body["error"] not in ("authorization_pending", "slow_down"):
            journey.results.append(body["error"])
            return
        await asyncio.sleep(pause)


async def run_journeys(
    urls: list[str], numbers: range, *, host: str, at_once: int, over: float = 0
) -> list[Journey]:
    """Run all journeys, ``at_once`` of them concurrently, and start them evenly within ``over`` seconds."""
    places = asyncio.Semaphore(at_once)

    async def one(number: int) -> Journey:
        await asyncio.sleep(over * (number - numbers.start) / len(numbers))
        async with places:
            return await run_journey(urls, number, host=host)

    return list(await asyncio.gather(*(one(number) for number in numbers)))


def people(count: int) -> str:
    """Return a blueprint with this many people and a device application without limits.

    The limits would be measured otherwise.
    """
    limits = (
        "application: demo-device\ndevice: {pending_limit: 1000000, pending_limit_per_address: 1000000}\n"
    )
    return "---\n".join([limits, *(f"person: p{number}\npassword: {PASSWORD}\n" for number in range(count))])
