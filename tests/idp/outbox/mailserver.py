"""A real mail server in a thread of this process, with or without TLS and login."""

import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Arrived:
    """A mail as the server got it."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """Parsed."""
        return message_from_bytes(self.raw, policy=default)

    def part(self, kind: str = "plain") -> str:
        """The text or the HTML; empty where there is none."""
        part = self.message.get_body((kind,))
        return part.get_content().replace("\r\n", "\n") if part else ""


class _Inbox:
    """``answers``: the reply by SMTP command, instead of accepting it; a function gets the mail's text."""

    def __init__(self) -> None:
        self.mails: list[Arrived] = []
        self.answers: dict[str, str | Callable[[str], str]] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if reply := self.answers.get("RCPT"):
            return str(reply)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        arrived = Arrived(envelope.mail_from, envelope.rcpt_tos, envelope.content)
        if reply := self.answers.get("DATA"):
            return reply if isinstance(reply, str) else reply(arrived.part())
        self.mails.append(arrived)
        return "250 OK"


class MailServer(Controller):
    """A server on a free port.

    ``people`` are names and passwords; without them no one has to log in.
    """

    def __init__(
        self,
        *,
        people: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        at_once: bool = False,
    ) -> None:
        self.inbox = _Inbox()
        self.people = dict(people or {})
        self.listening = socket.create_server(("127.0.0.1", 0))
        options: dict[str, Any] = {"authenticator": self._judge, "auth_required": True} if people else {}
        options |= (
            {"tls_context": tls, "require_starttls": True}
            if tls and not at_once
            else {"auth_require_tls": False}
        )
        port = self.listening.getsockname()[1]
        options |= {"server_hostname": "mail.test", "ssl_context": tls if at_once else None}
        super().__init__(self.inbox, hostname="127.0.0.1", port=port, **options)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self.listening, ssl=self.ssl_context)

    def factory(self) -> SMTP:
        """Run on the server's own loop; by default the protocol creates one that is never closed."""
        return SMTP(self.handler, loop=self.loop, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        """The listening socket is there already; only the protocol has to be tested."""
        self._factory_invoker()

    def _judge(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        right = self.people.get(login.login.decode()) == login.password.decode()
        return AuthResult(success=right, handled=False)

    @property
    def mails(self) -> list[Arrived]:
        """What has arrived, oldest first."""
        return self.inbox.mails


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """For 127.0.0.1, signed by itself: the server's context, and the file that a client must trust."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file
