"""``manage.py cluster`` as a program under test.

Its processes, its database, and clients at either of its two web processes.
"""

import html
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

import psycopg
import requests
from django.conf import settings
from redis import Redis

_T = TypeVar("_T")
HOST = "foyer.test"  # as behind a proxy: one name for all processes
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_TITLE = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)


class Cluster:
    """Everything that ``make cluster`` starts, on free ports and an empty folder.

    ``more``: further variables.
    """

    program: tuple[str, ...] = (sys.executable, str(settings.BASE_DIR / "manage.py"))

    def __init__(self, **more: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="foyer-cluster-"))
        self.folder.chmod(0o711)
        self.port = _two_free_ports()
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FOYER_", "DJANGO_", "PYTEST_", "COV_"))
        }
        ours = {
            "PORT": str(self.port),
            "FOYER_DATA": str(self.folder / "data"),
            "FOYER_ADMIN_PASSWORD": "admin-password-1",
            "FOYER_HOSTS": HOST,
            "FOYER_LOG": "json",
            **more,
        }
        self.log = self.folder / "said.log"
        with open(self.log, "wb") as file:
            self.process = subprocess.Popen(
                [*self.program, "cluster"], cwd=self.folder, env=clean | ours, stdout=file, stderr=file
            )
        wait_for(lambda: "Foyer is running at" in self.said or self.process.poll() is not None, 90)
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        """What all of it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def webs(self) -> tuple[str, str]:
        """The addresses of the two web processes."""
        return f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port + 1}"

    def pid(self, part: str) -> int:
        """The process id of a member of the cluster, 0 if there is none.

        The members are ``web 0``, ``web 1``, ``worker``, ``beat``, ``redis`` and ``postgres``.
        """
        for child in _children(self.process.pid):
            words = _proc(child, "cmdline").replace("\0", " ")
            if (
                part.startswith("web ")
                and "manage.py web" in words
                and self.environment(child)["PORT"] == str(self.port + int(part[4:]))
            ):
                return child
            if {
                "worker": " worker ",
                "beat": " beat ",
                "redis": "redis-server",
                "postgres": "postgres -D",
            }.get(part, "\0") in words:
                return child
        return 0

    def environment(self, pid: int) -> dict[str, str]:
        """The variables with which a process was started."""
        return dict(each.split("=", 1) for each in _proc(pid, "environ").split("\0") if "=" in each)

    def kill(self, part: str) -> int:
        """Kill it as the kernel does when memory runs out, without a shutdown; returns its pid."""
        pid = self.pid(part)
        assert pid, f"{part} does not run"
        for each in (pid, *_children(pid)):
            os.kill(each, signal.SIGKILL)
        return pid

    def again(self, part: str, before: int) -> None:
        """Wait until a process was started again."""
        wait_for(lambda: self.pid(part) not in (0, before), 30)
        if part.startswith("web "):
            wait_for(lambda: _answers(self.webs[int(part[4:])]), 60)

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        with psycopg.connect(
            self._variable("DATABASE_URL").replace("postgres://", "postgresql://"), autocommit=True
        ) as connection:
            cursor = connection.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def redis(self) -> Redis:
        """A client of its Redis."""
        return Redis.from_url(self._variable("REDIS_URL"))

    def call(self, task: str) -> None:
        """Send a task, as beat does."""
        command = [sys.executable, "-m", "celery", "-A", "idp.celery", "call", task]
        environment = self.environment(self.pid("beat"))
        subprocess.run(command, cwd=settings.BASE_DIR, env=environment, check=True, capture_output=True)

    def timeline(self, started: dict[str, Any]) -> list[str]:
        """The kinds of the events of a device, in their order."""
        found = "SELECT id FROM devices_devicecode WHERE device_code_hash = encode(sha256(%s), 'hex')"
        [(pk,)] = self.sql(found, started["device_code"].encode())
        return [
            row[0]
            for row in self.sql("SELECT kind FROM events_event WHERE topic = %s ORDER BY id", f"device:{pk}")
        ]

    def interrupt(self) -> tuple[int, float]:
        """Send Ctrl-C; returns the exit code and the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60), time.monotonic() - begun

    def close(self) -> None:
        """End the cluster in any state."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _variable(self, name: str) -> str:
        return self.environment(self.pid("beat"))[name]


class Person:
    """The administrator at a browser.

    Any page can be requested from either web process; the cookies are the same.
    """

    def __init__(self) -> None:
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Host"] = HOST

    def open(self, web: str, path: str = "/device") -> None:
        """A page, after its redirects."""
        self._take(web, self.http.get(web + path, allow_redirects=False, timeout=20))

    def submit(self, web: str, **answer: str) -> None:
        """The form of the page, posted to ``web``."""
        self._take(
            web,
            self.http.post(
                web + self.path, data={**self.hidden, **answer}, allow_redirects=False, timeout=20
            ),
        )

    def at_consent(self, web: str, started: dict[str, Any]) -> None:
        """Sign in where needed and enter the code."""
        self.open(web)
        if self.hidden.get("step") == "identification":
            self.submit(web, name="admin")
            self.submit(web, password="admin-password-1")
        self.submit(web, user_code=started["user_code"])
        assert self.hidden.get("step") == "consent", self.title

    def approve(self, web: str) -> None:
        """The one POST that decides."""
        self.submit(web, decision="approve")
        assert self.title in ("Approved – return to your device", "Connected"), self.title

    def _take(self, web: str, response: requests.Response) -> None:
        while response.is_redirect:
            path = response.headers["Location"].removeprefix(f"http://{HOST}")
            response = self.http.get(web + path, allow_redirects=False, timeout=20)
        assert response.status_code == 200, (response.status_code, response.text)
        self.path = response.url.removeprefix(web)
        self.hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(response.text)}
        self.title = html.unescape((_TITLE.search(response.text) or ["", ""])[1]).strip()


class Listener:
    """A device that listens at its ``events_uri``: the events as they come, and None after the last."""

    def __init__(self, web: str, started: dict[str, Any]) -> None:
        path = started["events_uri"].removeprefix(f"http://{HOST}")
        headers = {
            "Host": HOST,
            "Authorization": f"Device {started['device_code']}",
            "Accept-Encoding": "identity",
        }
        self.received: Queue[str | None] = Queue()
        self.response = requests.get(
            web + path, headers=headers, stream=True, timeout=60, proxies={"http": ""}
        )
        assert self.response.status_code == 200, self.response.text
        threading.Thread(target=self._listen, daemon=True).start()

    def hears(self, seconds: float = 20) -> str | None:
        """The name of the next event."""
        return self.received.get(timeout=seconds)

    def _listen(self) -> None:
        try:
            for line in self.response.iter_lines(chunk_size=1):
                if line.startswith(b"event: "):
                    self.received.put(line[7:].decode())
        except requests.RequestException:
            pass  # the process was killed
        finally:
            self.response.close()
            self.received.put(None)


def start(web: str) -> dict[str, Any]:
    """A device asks."""
    response = _post(web, "/application/o/device/", client_id="demo-device", scope="openid offline_access")
    assert response.status_code == 200, response.text
    return dict(response.json())


def poll(web: str, started: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The device polls."""
    form = {"grant_type": DEVICE_CODE, "client_id": "demo-device", "device_code": started["device_code"]}
    response = _post(web, "/application/o/token/", **form)
    return response.status_code, dict(response.json())


def refresh(web: str, tokens: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Request new tokens as the device does."""
    form = {
        "grant_type": "refresh_token",
        "client_id": "demo-device",
        "refresh_token": tokens["refresh_token"],
    }
    response = _post(web, "/application/o/token/", **form)
    return response.status_code, dict(response.json())


def wait_for(condition: Callable[[], _T | None], seconds: float) -> _T:
    """Return the first truthy result."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def _post(web: str, path: str, **form: str) -> requests.Response:
    return requests.post(web + path, data=form, headers={"Host": HOST}, timeout=20, proxies={"http": ""})


def _answers(web: str) -> bool:
    try:
        return requests.get(web + "/health/ready", timeout=5, proxies={"http": ""}).status_code == 200
    except requests.RequestException:
        return False


def _children(pid: int) -> list[int]:
    return [int(each) for each in _proc(pid, f"task/{pid}/children").split()]


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def free_port() -> int:
    """A port that no program listens on at this moment."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        return int(other.getsockname()[1])


def _two_free_ports() -> int:
    for port in range(20_000 + os.getpid() % 10_000, 40_000, 2):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports")
