"""A program that renders nothing itself and has no cookie runs the same flow as JSON."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.journeys.devices import Device, local
from tests.support.client import LiveServer


class Program:
    """A program that signs a person in on their behalf, by the URLs that the responses name."""

    def __init__(self, server: LiveServer, host: str, **body: str) -> None:
        self.server, self.host = server, host
        self.http = local(requests.Session())
        self.http.cookies.set("foyer_session", "x" * 64)
        answer = self.http.post(server.url(host, "/api/runs/"), json={"for": "device_code", **body})
        assert answer.status_code == 201, answer.text
        self.run = answer.json()
        self.challenge: dict[str, Any] = self.run

    def answer(self, **fields: str) -> dict[str, Any]:
        """Answer the current challenge."""
        body = {"step": self.challenge["step"], "answer": fields}
        response = self.http.post(self.server.url(self.host, self.run["url"]), json=body, headers=self.secret)
        assert "Set-Cookie" not in response.headers
        self.challenge = response.json()
        return self.challenge

    @property
    def secret(self) -> dict[str, str]:
        """Return the run's secret, which identifies the browser."""
        return {"Authorization": f"Run {self.run['secret']}"}


@pytest.mark.parametrize("host", ["acme.test", "other.test"])
@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_program_connects_a_device(
    host: str, decision: str, live: LiveServer, new_device: Callable[..., Device]
) -> None:
    """D9, D18, D30: the questions, the facts and the two answers are those of the page."""
    device = new_device(host, device_name="Living room")
    program = Program(live, host)
    assert [field["name"] for field in program.challenge["fields"]] == ["name"]
    assert program.answer(name="alice")["fields"][0]["type"] == "password"
    wrong = program.answer(password="wrong")
    assert wrong["errors"]["password"] == ["Incorrect username or password."]
    assert program.answer(password="alice-password-1")["stage"] == "device_code"
    assert program.answer(user_code="BCDF-GHJK")["errors"]["user_code"]
    asked = program.answer(user_code=device.user_code.lower())
    assert asked["stage"] == "consent"
    assert asked["context"]["user_code"] == device.user_code
    assert asked["context"]["application"]["name"] == f"{host.split('.')[0].title()} TV"
    assert asked["context"]["device"]["calls_itself"] == "Living room"
    assert {choice[0] for field in asked["fields"] for choice in field["choices"]} == {"approve", "deny"}
    assert device.poll() == "authorization_pending"
    ended = program.answer(decision=decision)
    assert ended["kind"] == ("last" if decision == "approve" else "denied")
    polled = device.poll()
    assert isinstance(polled, dict) if decision == "approve" else polled == "access_denied"


def test_a_stranger_with_the_address_learns_nothing(live: LiveServer) -> None:
    """D30: the run's URL without its secret, or with another run's, is as if it did not exist.

    The same holds for the URL at another tenant.
    """
    program, foreign = Program(live, "acme.test"), Program(live, "acme.test")
    http, url = local(requests.Session()), program.run["url"]
    assert http.get(live.url("acme.test", url)).status_code == 401
    assert http.get(live.url("acme.test", url), headers=foreign.secret).status_code == 404
    assert http.get(live.url("other.test", url), headers=program.secret).status_code == 404
    assert http.get(live.url("acme.test", url), headers=program.secret).json()["stage"] == "identification"
