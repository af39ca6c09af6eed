"""The public door in tests: pages as a person posts them, and the protocol as a device speaks it.

Includes a real server.
"""

import html
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.db import connections
from django.test import Client

from web.server.server import Server, build_application, build_config

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_TITLE = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)


class Door:
    """One client with its own cookies, at one host; ``address`` is where its requests come from."""

    def __init__(self, host: str = "acme.test", address: str = "127.0.0.1", agent: str = "Test/1.0") -> None:
        self.http = Client(HTTP_HOST=host, REMOTE_ADDR=address, HTTP_USER_AGENT=agent)
        self.host = host

    @property
    def issuer(self) -> str:
        """The issuer at this host."""
        return f"http://{self.host}"

    def post(self, path: str, form: dict[str, Any] | bytes | str, **extra: Any) -> Any:
        """A form-encoded POST."""
        body = urlencode(form) if isinstance(form, dict) else form
        return self.http.post(
            path,
            data=body,
            content_type=extra.pop("content_type", "application/x-www-form-urlencoded"),
            **extra,
        )

    def get(self, path: str, **extra: Any) -> Any:
        """A GET."""
        return self.http.get(path, **extra)

    def start(self, client_id: str = "tv", scope: str = "openid profile", **more: Any) -> "Started":
        """Request codes as a device does; the response must be a success."""
        response = self.post("/application/o/device/", {"client_id": client_id, "scope": scope, **more})
        assert response.status_code == 200, response.content
        return Started(response.json(), client_id)

    def poll(self, started: "Started", **more: Any) -> Any:
        """Poll as the device does."""
        form = {
            "grant_type": DEVICE_CODE,
            "client_id": started.client_id,
            "device_code": started.device_code,
            **more,
        }
        return self.post(
            "/application/o/token/", {name: value for name, value in form.items() if value is not None}
        )

    def page(self, path: str = "/device") -> "Seen":
        """Open a page as a person does, and follow the redirects to where the person is."""
        response = self.http.get(path, follow=True)
        return Seen(self, response, response.redirect_chain[-1][0] if response.redirect_chain else path)

    def sign_in(
        self, name: str = "alice", password: str = "alice-password-1", path: str = "/device"
    ) -> "Seen":
        """Submit the first two steps of the shipped flow."""
        return self.page(path).submit(name=name).submit(password=password)

    def approve(self, started: "Started", **person: str) -> "Seen":
        """Sign in if needed, enter the code and approve."""
        seen = self.page("/device")
        if seen.step == "identification":
            seen = seen.submit(name=person.get("name", "alice")).submit(
                password=person.get("password", "alice-password-1")
            )
        seen = seen.submit(user_code=started.user_code).submit(decision="approve")
        assert seen.title in ("Approved – return to your device", "Connected"), seen.text
        return seen


@dataclass
class Started:
    """The device endpoint's response."""

    answer: dict[str, Any]
    client_id: str = "tv"

    @property
    def device_code(self) -> str:
        """For the device."""
        return str(self.answer["device_code"])

    @property
    def user_code(self) -> str:
        """For the person."""
        return str(self.answer["user_code"])


@dataclass
class Seen:
    """A page as a person sees it."""

    door: Door
    response: Any
    path: str
    hidden: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(self.text)}

    @property
    def text(self) -> str:
        """The HTML."""
        return str(self.response.content.decode())

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.response.status_code)

    @property
    def title(self) -> str:
        """The heading."""
        found = _TITLE.search(self.text)
        return html.unescape(found[1]).strip() if found else ""

    @property
    def step(self) -> str:
        """The step that the form submits."""
        return self.hidden.get("step", "")

    def submit(self, **fields: str) -> "Seen":
        """Post the form as a browser would, hidden fields included, and follow the redirect."""
        response = self.door.http.post(self.path, {**self.hidden, **fields}, follow=True)
        return Seen(
            self.door, response, response.redirect_chain[-1][0] if response.redirect_chain else self.path
        )


class LiveServer:
    """uvicorn with the product's whole ASGI stack in a thread of this process."""

    def __enter__(self) -> "LiveServer":
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.server = Server(build_config(build_application(nullcontext), timeout_graceful_shutdown=1))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        end = time.monotonic() + 10
        while not self.server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        self.socket.close()
        connections.close_all()

    def url(self, host: str = "acme.test", path: str = "") -> str:
        """An address at this server; browsers of the suite resolve *.test to this machine."""
        return f"http://{host}:{self.port}{path}"


Doors = Callable[..., Door]
"""The fixture ``door``: a browser at a host."""
Write = Callable[..., Path]
"""The fixture ``write``: a blueprint in a file of its own."""
