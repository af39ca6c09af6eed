"""What the outbox's tests share: their own handler, and real mail servers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from idp.runtime import env, services
from tests.idp.outbox import probe
from tests.idp.outbox.mailserver import MailServer


@pytest.fixture
def probed(settings: Settings) -> Iterator[None]:
    """The kind ``probe``, for this test only."""
    settings.OUTBOX_HANDLERS = {**settings.OUTBOX_HANDLERS, probe.KIND: "tests.idp.outbox.probe.handler"}
    probe.got.clear()
    probe.wish.clear()
    yield
    probe.got.clear()
    probe.wish.clear()


@pytest.fixture
def use_mail_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets FOYER_SMTP_URL as an operator would."""

    def use(url: str) -> None:
        monkeypatch.setenv("FOYER_SMTP_URL", url)
        settings.SMTP = services.smtp(env.read().smtp_url)

    return use


@pytest.fixture
def start_mail_server() -> Iterator[Callable[..., MailServer]]:
    """Return a function that starts mail servers; none outlives its test."""
    started: list[MailServer] = []

    def start(**options: Any) -> MailServer:
        server = MailServer(**options)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def mail_server(
    start_mail_server: Callable[..., MailServer], use_mail_server: Callable[[str], None]
) -> MailServer:
    """A mail server without TLS and login, in use."""
    server = start_mail_server()
    use_mail_server(f"smtp://127.0.0.1:{server.port}")
    return server
