"""The product under measurement: ``manage.py up`` in its own process, folder and port."""

import asyncio
import html
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PASSWORD = "benchmark-password-1"
UNLIMITED = """
application: demo-device
device: {pending_limit: 1000000, pending_limit_per_address: 1000000}
"""
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


class Product:
    """A context manager that prepares the product and stops it; ``settings``: more environment variables."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="foyer-benchmark-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {
            **os.environ,
            "FOYER_DATA": str(self.folder),
            "PORT": str(self.port),
            "FOYER_ADMIN_PASSWORD": PASSWORD,
            "FOYER_LOG": "json",
            **settings,
        }
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Product":
        self.start()
        self.stop()
        blueprint = self.folder / "roomy.yaml"
        blueprint.write_text(UNLIMITED)
        self.manage("blueprint", "apply", str(blueprint))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def manage(self, *arguments: str) -> None:
        """Run one command in its own process."""
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self) -> float:
        """Start the server and return the seconds until it responds."""
        start = time.perf_counter()
        self.log = open(self.folder / "log", "a")  # noqa: SIM115  closed in stop()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
        )
        while time.perf_counter() - start < 60:
            try:
                if httpx.get(self.url + "/health/ready").status_code == 200:
                    return time.perf_counter() - start
            except httpx.TransportError:
                time.sleep(0.02)
        raise SystemExit(f"the server does not answer: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self) -> float:
        """Stop the server as Ctrl-C does and return the seconds that takes."""
        start = time.perf_counter()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.log.close()
        return time.perf_counter() - start

    def memory(self) -> tuple[float, int]:
        """Return the proportional set size in MiB, and the number of threads."""
        proc = Path(f"/proc/{self.process.pid}")
        pss = next(
            int(line.split()[1])
            for line in (proc / "smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        )
        threads = next(
            int(line.split()[1])
            for line in (proc / "status").read_text().splitlines()
            if line.startswith("Threads:")
        )
        return pss / 1024, threads


class Approver:
    """The administrator, who signs in and approves devices through the product's own pages."""

    def __init__(self, product: Product) -> None:
        self.http = httpx.AsyncClient(base_url=product.url, follow_redirects=True, timeout=30)

    async def sign_in(self) -> None:
        """Complete the first two steps of the shipped flow."""
        page = await self.http.get("/device")
        for fields in ({"name": "admin"}, {"password": PASSWORD}):
            page = await self._submit(page, fields)

    async def approve(self, user_code: str) -> None:
        """Enter the code and approve the device."""
        page = await self._submit(await self.http.get("/device"), {"user_code": user_code})
        await self._submit(page, {"decision": "approve"})

    async def _submit(self, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
        hidden = {name: html.unescape(value) for name, value in HIDDEN.findall(page.text)}
        response = await self.http.post(str(page.url), data={**hidden, **fields})
        response.raise_for_status()
        return response


async def request_device_code(http: httpx.AsyncClient) -> dict[str, Any]:
    """Request a device code and return the response."""
    response = await http.post("/application/o/device/", data={"client_id": "demo-device", "scope": "openid"})
    response.raise_for_status()
    return dict(response.json())


async def poll(http: httpx.AsyncClient, device_code: str) -> bool:
    """Poll once and return whether the response contained tokens."""
    form = {"grant_type": GRANT, "client_id": "demo-device", "device_code": device_code}
    response = await http.post("/application/o/token/", data=form)
    if response.status_code != 200 and response.json().get("error") not in (
        "authorization_pending",
        "slow_down",
    ):
        raise SystemExit(response.text)
    return response.status_code == 200


async def open_event_stream(
    product: Product, device_code: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream of server-sent events and return it after its headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", product.port)
    head = (
        f"GET /application/o/device/events HTTP/1.1\r\nHost: 127.0.0.1:{product.port}\r\nAuthorization: "
        f"Device {device_code}\r\n\r\n"
    )
    writer.write(head.encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(status.decode())
    while (await reader.readline()).strip():
        pass
    return reader, writer


async def next_event(reader: asyncio.StreamReader) -> str:
    """Return the name of the next event; "" when the stream has ended."""
    while line := await reader.readline():
        if line.startswith(b"event: "):
            return line[7:].decode().strip()
    return ""


def quantiles(seconds: list[float]) -> str:
    """Return median and 99th percentile in milliseconds, as two cells of a table."""
    ordered = sorted(seconds)
    return (
        f"{1000 * ordered[len(ordered) // 2]:.0f} | "
        f"{1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]:.0f}"
    )
