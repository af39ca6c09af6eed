"""Mail: posted through the outbox, with the tenant's text and sender, sent by SMTP.

Without a mail server it is written to a folder.
"""

import logging
import os
import re
import smtplib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email

from idp.foundation.errors import DomainError
from idp.foundation.mailboxes import delivery_address, lookup_key
from idp.outbox.delivery import DeliveryFailed, Parcel, Undeliverable, post
from idp.outbox.models import MailTemplate
from idp.outbox.placeholders import BRANDING_VARIABLES, MailContent, one_line, shipped_templates
from idp.ratelimit.budgets import Budget, Exhausted, Spend, charge
from idp.tenancy.scope import current_tenant
from idp.tenancy.tenants import may_send_from

KIND = "mail"
PER_PERSON = Budget("mail.person", 3, timedelta(hours=1))
_ENHANCED = re.compile(rb"\A\d\.\d{1,3}\.\d{1,3}\b")  # RFC 3463

log = logging.getLogger(__name__)


class WrongVariables(Exception):
    """An email must be sent with exactly the variables of its shipped template."""


class TooManyMails(DomainError):
    """Too many emails were sent to this person or from this tenant. Try again later."""

    status = 429
    code = "too_many_requests"

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


def send(name: str, to: str, variables: Mapping[str, str], *, lifetime: timedelta | None = None) -> str:
    """Post the mail ``name`` to the address ``to``, in the caller's transaction, and return the key.

    Raises ValidationError, or TooManyMails: three an hour to one address, and ``MAILS_PER_DAY`` from one
    tenant.
    """
    validate_email(to)
    if {*variables} != shipped_templates()[name].variables - BRANDING_VARIABLES or not all(
        type(value) is str for value in variables.values()
    ):
        raise WrongVariables(f"{name}: {', '.join(sorted(variables))}")
    _charge(to)
    return post(KIND, {"name": name, "to": to, "words": dict(variables)}, lifetime=lifetime)


def save_template(name: str, **values: str) -> list[str]:
    """Create or change the tenant's own template of a mail, and return which of its fields changed.

    Raises ValidationError.
    """
    row = MailTemplate.objects.filter(name=name).first() or MailTemplate(tenant=current_tenant(), name=name)
    changed = {part: value for part, value in values.items() if getattr(row, part) != value}
    for part, value in changed.items():
        setattr(row, part, value)
    if changed or row.pk is None:
        row.full_clean()
        row.save()
    return sorted(changed)


def delete_template(name: str) -> bool:
    """Delete the tenant's own template of a mail, and return whether there was one."""
    return bool(MailTemplate.objects.filter(name=name).delete()[0])


def deliver(parcel: Parcel) -> None:
    """Deliver a mail from the outbox."""
    try:
        message = _message(parcel)
    except ValueError as error:  # a domain that was stored before it was validated
        raise Undeliverable(str(error)) from None
    if settings.SMTP:
        _send(message, settings.SMTP)
    elif settings.EMBEDDED:
        _write(message, parcel)
    else:
        raise DeliveryFailed("FOYER_SMTP_URL is not set")


def folder() -> Path:
    """Return the folder for mail without a mail server."""
    return Path(settings.DATA) / "mails"


def _message(parcel: Parcel) -> EmailMultiAlternatives:
    """Return the message, which is the same for each attempt: date and Message-ID are the row's."""
    owner, template = current_tenant(), _template(str(parcel.payload["name"]))
    branding = {"tenant": owner.title, "accent": owner.accent, "accent_text": owner.accent_text}
    mail = template.render({**parcel.payload["words"], **branding})
    own = owner.mail_from if may_send_from(owner) else ""
    sender = delivery_address(own or settings.MAIL_FROM)
    headers = {
        "Message-ID": f"<{parcel.key}@{sender.rpartition('@')[2]}>",
        "Date": format_datetime(parcel.posted_at),
        "Auto-Submitted": "auto-generated",  # RFC 3834: suppresses out-of-office replies
    }
    message = EmailMultiAlternatives(
        _in_header(mail.subject),
        mail.text,
        formataddr((_in_header(owner.title), sender)),
        [delivery_address(str(parcel.payload["to"]))],
        headers=headers,
    )
    if owner.mail_from and not own:
        message.reply_to = [delivery_address(owner.mail_from)]
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    return message


def _in_header(text: str) -> str:
    """Return the text on one line, without anything that RFC 2047 would decode."""
    return one_line(text).replace("=?", "= ?")


def _template(name: str) -> MailContent:
    """Return the tenant's own template, or the shipped one.

    An own template that an earlier release accepted is ignored if it might leak the link.
    """
    own, original = MailTemplate.objects.filter(name=name).first(), shipped_templates()[name]
    if own and own.template.problems(original.variables):
        log.warning("mail.wording_refused", extra={"mail": name})
        return original
    return own.template if own else original


def _charge(to: str) -> None:
    """Count a mail against its recipient and its tenant; raise TooManyMails."""
    per_day = Budget("mail.tenant", settings.MAILS_PER_DAY, timedelta(days=1))
    result = charge([Spend(PER_PERSON, lookup_key(to)), Spend(per_day, str(current_tenant().pk))])
    if isinstance(result, Exhausted):
        raise TooManyMails(result.until)


def _send(message: EmailMultiAlternatives, server: dict[str, Any]) -> None:
    backend = EmailBackend(**server)
    try:
        backend.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = max(error.recipients.values())
        raise (Undeliverable if code >= 500 else DeliveryFailed)(_reply_codes(error, code, reply)) from None
    except smtplib.SMTPResponseException as error:
        final = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
        raise (Undeliverable if final else DeliveryFailed)(
            _reply_codes(error, error.smtp_code, error.smtp_error)
        ) from None
    except OSError as error:  # includes smtplib's other errors
        raise DeliveryFailed(f"{type(error).__name__} {error.strerror or ''}".strip()) from None
    finally:
        with suppress(OSError):
            backend.close()  # a refused login leaves it open


def _reply_codes(error: Exception, code: int, reply: bytes | str) -> str:
    """Return the codes of the server's reply; its text might repeat the mail's."""
    enhanced = _ENHANCED.match(reply if isinstance(reply, bytes) else reply.encode())
    return f"{type(error).__name__} {code} {enhanced[0].decode() if enhanced else ''}".strip()


def _write(message: EmailMultiAlternatives, parcel: Parcel) -> None:
    """Write the mail to a file that only the server's user can read; a repeated delivery replaces it."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder() / f"{parcel.posted_at:%Y%m%dT%H%M%S}-{parcel.key}.eml"
    draft = path.with_suffix(".part")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.message().as_bytes())
    draft.replace(path)
    log.info("mail.written", extra={"file": str(path)})
