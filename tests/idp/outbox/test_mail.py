"""Mail to a real server: the tenant's sender and texts, hostile names, refusals and TLS.

Without a server, mail goes to a folder.
"""

import logging
import stat
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import transaction
from pytest_django import Settings

from idp.outbox import mail
from idp.outbox.delivery import deliver_due
from idp.outbox.models import Delivery, DeliveryState, MailTemplate
from idp.outbox.placeholders import one_line
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant
from tests.idp.outbox.mailserver import Arrived, MailServer, certificate

LINK = "https://acme.test/recover/0123456789abcdef"
WORDS = {"name": "Alice", "link": LINK, "minutes": "15"}
Start = Callable[..., MailServer]
Use = Callable[[str], None]


def send(**words: str) -> str:
    return mail.send("recovery", "alice@acme.test", {**WORDS, **words})


def deliver(server: MailServer, **words: str) -> Arrived:
    """One mail there and back."""
    send(**words)
    assert deliver_due() == 1
    return server.mails[-1]


def in_header(text: str) -> str:
    """A text as a header shows it: on one line, without decoding what looks like RFC 2047's encoding."""
    return one_line(text).replace("=?", "= ?")


def state() -> str:
    return Delivery.objects.get().state


def test_a_mail_arrives(acme: Tenant, mail_server: MailServer) -> None:
    """It comes from the tenant, with subject, text and HTML.

    No machine replies to it, and it is recognizable when it comes twice.
    """
    key = send()
    assert deliver_due() == 1
    (arrived,) = mail_server.mails
    message = arrived.message
    assert (arrived.sender, arrived.recipients) == ("foyer@localhost", ["alice@acme.test"])
    assert (message["From"], message["To"], message["Subject"]) == (
        "Acme <foyer@localhost>",
        "alice@acme.test",
        "Set a new password for Acme",
    )
    assert (message["Message-ID"], message["Auto-Submitted"]) == (f"<{key}@localhost>", "auto-generated")
    assert message.get_content_type() == "multipart/alternative"
    assert f"\n{LINK}\n" in arrived.part()
    assert f'href="{LINK}"' in arrived.part("html")
    assert f"background:{acme.accent}" in arrived.part("html")
    for part in (arrived.part(), arrived.part("html")):
        assert "Hello Alice," in part
        assert "15 minutes" in part
        assert "{{" not in part
    assert state() == DeliveryState.DONE


def test_what_is_rolled_back_is_not_sent(acme: Tenant, mail_server: MailServer) -> None:
    """No mail about what did not happen."""
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 the error must leave the block
        send()
        raise RuntimeError
    assert deliver_due() == 0
    assert mail_server.mails == []


def test_two_tenants_each_with_sender_and_wording(
    tenants: dict[str, Tenant], mail_server: MailServer
) -> None:
    """Both work in one process; without HTML the mail is plain text."""
    save_tenant("acme", mail_from="login@acme.example", mail_granted=True)
    save_tenant("other", mail_from="hello@other.example", mail_granted=True, title="Other, Inc.")
    with tenant_scope(tenants["other"]):
        mail.save_template(
            "recovery", subject="{{ tenant }}: back in", text="{{ name }} > {{link}} {{ minutes }}"
        )
    for name in tenants:
        with tenant_scope(Tenant.objects.get(name=name)):
            arrived = deliver(mail_server)
        message = arrived.message
        seen = (
            message["From"],
            message["Subject"],
            message.get_content_type(),
            message["Message-ID"].rpartition("@")[2],
        )
        assert (
            seen
            == {
                "acme": (
                    "Acme <login@acme.example>",
                    "Set a new password for Acme",
                    "multipart/alternative",
                    "acme.example>",
                ),
                "other": (
                    '"Other, Inc." <hello@other.example>',
                    "Other, Inc.: back in",
                    "text/plain",
                    "other.example>",
                ),
            }[name]
        )
    assert mail_server.mails[-1].part().strip() == f"Alice > {LINK} 15"


def test_a_mail_that_comes_twice_is_the_same(
    acme: Tenant, mail_server: MailServer, clock: time_machine.Traveller
) -> None:
    """After a crash between the server's reply and our own note of it: same Message-ID, same date."""
    send()
    deliver_due()
    Delivery.objects.update(
        state=DeliveryState.WAITING, payload='{"name": "recovery", "to": "alice@acme.test", "words": {}}'
    )
    clock.shift(180)
    assert deliver_due() == 1
    first, second = (arrived.message for arrived in mail_server.mails)
    assert (first["Message-ID"], first["Date"]) == (second["Message-ID"], second["Date"])


HEADERS = {"MIME-Version", "Content-Type", "Subject", "From", "To", "Message-ID", "Date", "Auto-Submitted"}
HOSTILE = [
    "Evaluator\r\nBcc: evaluator@evil.test",
    "Evaluator\nSubject: other",
    "Evaluator\r\n\r\nBody",
    "Evaluator\u2028Bcc: evaluator@evil.test",
    "Evaluator\x00\x0b\x0c\x85x",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "{{ link }}{{ tenant }}{% now 'Y' %}",
    "%s {0} {name}",
    "Evaluator <evaluator@evil.test>, bob@acme.test",
    '"; =?utf-8?q?x?= (comment)',
    "Zoë 李 \u202eevE",
    "x" * 150,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_people(acme: Tenant, mail_server: MailServer, name: str) -> None:
    """CVE-2026-42849: a name is one line of text.

    It is no header, no recipient, no markup, and no placeholder of the template.
    """
    mail.save_template(
        "recovery",
        subject="For {{ name }}",
        text="Hello {{ name }}! {{ link }}",
        html='<p title="{{ name }}">{{ name }}</p>',
    )
    arrived = deliver(mail_server, name=name)
    message = arrived.message
    shown = one_line(name)
    assert arrived.recipients == ["alice@acme.test"]
    assert set(message.keys()) <= HEADERS
    assert message["Subject"] == f"For {in_header(name)}"
    assert message["From"] == "Acme <foyer@localhost>"
    assert arrived.part().strip() == f"Hello {shown}! {LINK}"
    html = arrived.part("html")
    assert html.count("<") == 2
    assert html.count('"') == 2
    assert "{{ link }}" in html or LINK not in html


@pytest.mark.parametrize("title", HOSTILE[:-1])
def test_hostile_titles_of_tenants(tenants: dict[str, Tenant], mail_server: MailServer, title: str) -> None:
    """The sender's name is a name: one sender, one recipient, one subject."""
    with tenant_scope(tenants["acme"]) as acme:
        acme.title = title
        arrived = deliver(mail_server)
    message = arrived.message
    assert (arrived.sender, arrived.recipients) == ("foyer@localhost", ["alice@acme.test"])
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (in_header(title), "foyer@localhost")
    assert message["Subject"] == f"Set a new password for {in_header(title)}"
    assert message.get_all("Bcc") is None
    assert "<script" not in arrived.part("html")
    assert "<img" not in arrived.part("html")


@pytest.mark.parametrize(
    "to",
    [
        "",
        "alice",
        "alice@acme.test\nBcc: evaluator@evil.test",
        "alice@acme.test, evaluator@evil.test",
        "<alice@acme.test>",
    ],
)
def test_what_is_no_address(acme: Tenant, to: str) -> None:
    """The caller gets an exception, and no mail is queued."""
    with pytest.raises(ValidationError):
        mail.send("recovery", to, WORDS)
    assert not Delivery.objects.exists()


def test_addresses_beyond_ascii(acme: Tenant, mail_server: MailServer) -> None:
    """Domains are sent as the servers of this world read them."""
    acme.mail_from, acme.mail_granted = "login@bücher.example", True
    mail.send("recovery", "alice@bücher.example", WORDS)
    assert deliver_due() == 1
    (arrived,) = mail_server.mails
    assert (arrived.sender, arrived.recipients) == (
        "login@xn--bcher-kva.example",
        ["alice@xn--bcher-kva.example"],
    )


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"name": "Alice", "link": LINK},
        {**WORDS, "password": "x"},
        {**WORDS, "tenant": "Elsewhere"},
        {**WORDS, "minutes": 15},
        {**WORDS, "name": Tenant(title="x")},
    ],
)
def test_only_plain_strings_and_the_words_of_the_mail(acme: Tenant, words: Any) -> None:
    """No object whose members a template could read reaches it."""
    with pytest.raises(mail.WrongVariables):
        mail.send("recovery", "alice@acme.test", words)


def test_a_server_that_is_away_is_tried_again(
    acme: Tenant,
    start_mail_server: Start,
    use_mail_server: Use,
    clock: time_machine.Traveller,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is lost while no server listens."""
    server = start_mail_server()
    use_mail_server("smtp://127.0.0.1:1")
    send()
    assert deliver_due() == 1
    assert state() == DeliveryState.WAITING
    assert "ConnectionRefusedError" in Delivery.objects.get().why
    use_mail_server(f"smtp://127.0.0.1:{server.port}")
    clock.shift(5)
    assert deliver_due() == 1
    assert (state(), len(server.mails)) == (DeliveryState.DONE, 1)


@pytest.mark.parametrize(
    ("command", "reply", "expected", "why"),
    [
        ("RCPT", "550 5.1.1 no such person", DeliveryState.FAILED, "SMTPRecipientsRefused 550 5.1.1"),
        ("RCPT", "451 4.7.1 greylisted", DeliveryState.WAITING, "SMTPRecipientsRefused 451 4.7.1"),
        ("DATA", "554 spam", DeliveryState.FAILED, "SMTPDataError 554"),
        ("DATA", "452 4.2.2 full", DeliveryState.WAITING, "SMTPDataError 452 4.2.2"),
    ],
)
def test_refusals(
    acme: Tenant, mail_server: MailServer, command: str, reply: str, expected: DeliveryState, why: str
) -> None:
    """RFC 5321 section 4.2.1: 5yz is for good, 4yz may pass."""
    mail_server.inbox.answers[command] = reply
    send()
    assert deliver_due() == 1
    assert (state(), Delivery.objects.get().why) == (expected, why)
    assert mail_server.mails == []


def test_a_servers_words_are_not_repeated(
    acme: Tenant, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that quotes the link in its refusal brings it into neither the log nor the row."""
    caplog.set_level(logging.DEBUG)
    mail_server.inbox.answers["DATA"] = lambda text: f"554 5.7.1 bad link {LINK if LINK in text else ''}"
    send()
    deliver_due()
    assert Delivery.objects.get().why == "SMTPDataError 554 5.7.1"
    # the server of the test logs as mail.log
    ours = [str(vars(record)) for record in caplog.records if not record.name.startswith("mail")]
    assert ours
    assert "recover/" not in "".join(ours)


# the server does not count TLS from the first byte
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(
    ("at_once", "url"),
    [(False, "smtp://{login}@127.0.0.1:{port}?tls=start"), (True, "smtps://{login}@127.0.0.1:{port}")],
)
def test_tls_and_login(
    acme: Tenant,
    start_mail_server: Start,
    use_mail_server: Use,
    clock: time_machine.Traveller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_once: bool,
    url: str,
) -> None:
    """Both ways to encrypt work.

    A certificate that no authority has signed gets neither password nor mail, a wrong password no mail.
    """
    context, trusted = certificate(tmp_path)
    server = start_mail_server(tls=context, at_once=at_once, people={"foyer": "p@ss/w#rd"})
    use_mail_server(url.format(login="foyer:p%40ss%2Fw%23rd", port=server.port))
    send()
    assert deliver_due() == 1
    assert "SSLCertVerificationError" in Delivery.objects.get().why
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    use_mail_server(url.format(login="foyer:wrong", port=server.port))
    clock.shift(5)
    assert deliver_due() == 1
    assert Delivery.objects.get().why.startswith("SMTPAuthenticationError 535")
    assert server.mails == []
    use_mail_server(url.format(login="foyer:p%40ss%2Fw%23rd", port=server.port))
    clock.shift(10)
    assert deliver_due() == 1
    assert (state(), len(server.mails)) == (DeliveryState.DONE, 1)


def test_without_a_server_mails_are_files(
    acme: Tenant, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One file, for this user's eyes only; the log names it and says nothing of what it holds."""
    caplog.set_level(logging.DEBUG)
    settings.SMTP, settings.EMBEDDED, settings.DATA = None, True, tmp_path / "data"
    key = send()
    assert deliver_due() == 1
    (path,) = (tmp_path / "data" / "mails").iterdir()
    assert path.suffix == ".eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert (message["To"], message["Message-ID"]) == ("alice@acme.test", f"<{key}@localhost>")
    body = message.get_body(("plain",))
    assert body is not None
    assert LINK in body.get_content()
    assert [vars(record)["file"] for record in caplog.records if record.message == "mail.written"] == [
        str(path)
    ]
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert LINK not in logged
    assert "alice@acme.test" not in logged


def test_a_full_disk_is_tried_again(
    acme: Tenant, settings: Settings, tmp_path: Path, clock: time_machine.Traveller
) -> None:
    """What cannot be written now is written later."""
    blocked = tmp_path / "data"
    blocked.write_text("in the way")
    settings.SMTP, settings.EMBEDDED, settings.DATA = None, True, blocked
    send()
    assert deliver_due() == 1
    assert state() == DeliveryState.WAITING
    blocked.unlink()
    clock.shift(5)
    assert deliver_due() == 1
    assert len(list((blocked / "mails").iterdir())) == 1


def test_distributed_without_a_server_mails_wait(acme: Tenant, settings: Settings, tmp_path: Path) -> None:
    """Without a common folder, nothing is written where no one would look."""
    settings.SMTP, settings.EMBEDDED, settings.DATA = None, False, tmp_path
    send()
    assert deliver_due() == 1
    assert (state(), Delivery.objects.get().why) == (DeliveryState.WAITING, "FOYER_SMTP_URL is not set")
    assert list(tmp_path.iterdir()) == []


def test_a_wording_is_one_of_each_tenant(tenants: dict[str, Tenant]) -> None:
    """Saved twice it is one row; saving the same again changes nothing."""
    for tenant in tenants.values():
        with tenant_scope(tenant):
            assert mail.save_template("recovery", subject="S", text="T {{ link }}")
            assert not mail.save_template("recovery", subject="S", text="T {{ link }}")
            assert mail.save_template("recovery", subject="S2")
            assert MailTemplate.objects.count() == 1
            assert MailTemplate.objects.get().text == "T {{ link }}"
