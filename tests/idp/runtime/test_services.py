"""What an operator sets: the mail server's URL, the sender, and what ``manage.py check`` says of both."""

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from idp.runtime import env, services


def ids() -> list[str | None]:
    """What the checks say about mail and outbox."""
    return [
        message.id for message in run_checks() if message.id in ("foyer.W011", "foyer.W012", "foyer.E012")
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost:25", ("localhost", 25, "", "", False, False)),
        ("smtp://localhost", ("localhost", 25, "", "", False, False)),
        ("smtp://relay.example/", ("relay.example", 25, "", "", False, False)),
        ("smtp://u:p%40%3A@mail.example:587?tls=start", ("mail.example", 587, "u", "p@:", True, False)),
        ("smtp://u:p@mail.example?tls=start", ("mail.example", 587, "u", "p", True, False)),
        ("smtps://u%40x.example:p@mail.example", ("mail.example", 465, "u@x.example", "p", False, True)),
        ("smtp://u:p@127.0.0.1:2525", ("127.0.0.1", 2525, "u", "p", False, False)),
        ("smtp://[::1]:25", ("::1", 25, "", "", False, False)),
    ],
)
def test_urls(monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[object, ...]) -> None:
    """Host, port, login and the way of encryption."""
    monkeypatch.setenv("FOYER_SMTP_URL", url)
    found = services.smtp(env.read().smtp_url)
    assert found
    assert (
        tuple(found[key] for key in ("host", "port", "username", "password", "use_tls", "use_ssl"))
        == expected
    )


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:port",
        "smtp://[::1",
        "smtp://mail.example/inbox",
        "smtp://mail.example?tls=yes",
        "smtp://mail.example?tls=start&x=y",
        "smtps://u:hunter2@mail.example?tls=start",
        "smtp://u:hunter2@mail.example",
        "smtp://u:hunter2@mail.example:587?tls",
    ],
)
def test_what_is_no_mail_server(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Named by its variable, without the password; a password never goes unencrypted over a network."""
    monkeypatch.setenv("FOYER_SMTP_URL", url)
    with pytest.raises(ImproperlyConfigured, match="FOYER_SMTP_URL") as refused:
        env.read()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["foyer", "Foyer <login@acme.example>", "a@b.example, c@d.example", "a@b.example\nBcc: c@d.example"],
)
def test_what_is_no_sender(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """One bare address."""
    monkeypatch.setenv("FOYER_MAIL_FROM", address)
    with pytest.raises(ImproperlyConfigured, match="FOYER_MAIL_FROM"):
        env.read()


def test_what_the_checks_say(db: None, settings: Settings) -> None:
    """Nothing in one process; distributed, that mails wait; with a server, that replies get lost."""
    settings.SMTP, settings.EMBEDDED = None, True
    assert ids() == []
    settings.EMBEDDED = False
    assert ids() == ["foyer.W011"]
    settings.SMTP = {"host": "mail.example"}
    assert ids() == ["foyer.W012"]
    settings.MAIL_FROM = "login@acme.example"
    assert ids() == []
    settings.OUTBOX_HANDLERS = {"hook": "nowhere.at.all"}
    assert ids() == ["foyer.E012"]
