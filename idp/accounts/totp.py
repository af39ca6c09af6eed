"""Codes of an authenticator app: six-digit time-based one-time passwords (RFC 6238)."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts.credentials import TOTP, replace_kind, topic_of
from idp.accounts.models import Credential
from idp.accounts.people import lock_active
from idp.events.bus import publish
from idp.foundation.clocks import LEEWAY
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.qr import data_uri
from idp.foundation.sealing import Unsealable, constant_time_equal
from idp.foundation.text import fold_code
from idp.tenancy.scope import current_tenant

METHOD = "otp"  # RFC 8176
INCORRECT_CODE = _("Incorrect code. Codes change every 30 seconds; enter the one your app shows now.")
_SECONDS = 30
# RFC 6238 section 5.2: one step for the time of typing, one for a clock that is ahead
_WINDOW = (0, -1, 1)
# steps from the earliest code by this host's clock to the latest by another one's
_FAR_AHEAD = LEEWAY // timedelta(seconds=_SECONDS) + 2


class CodeField(forms.CharField):
    """A form field for six digits in any script; white space and dashes are ignored."""

    def __init__(self, *, label: Any = None) -> None:
        hints = {
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "autocapitalize": "none",
            "spellcheck": "false",
        }
        super().__init__(label=label or _("Code"), max_length=32, widget=forms.TextInput(hints))

    def clean(self, value: Any) -> str:
        digits = fold_code(super().clean(value))
        if not re.fullmatch("[0-9]{6}", digits):
            raise ValidationError(_("Enter the six-digit code."))
        return digits


def new_secret() -> str:
    """Return 160 random bits in base 32, as long as the hash (RFC 4226 section 4, requirement 6)."""
    return pyotp.random_base32(32)


def enrollment(secret: str, account: str) -> dict[str, str]:
    """Return what an authenticator app needs: the URI, its QR code, and the secret in groups of four."""
    issuer = current_tenant().title.replace(":", " ")  # it separates issuer and account in the label
    address = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return {"address": address, "picture": data_uri(address), "secret": groups}


def match_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step of this code: the current one or a neighbor; None for a wrong code."""
    totp, current = pyotp.TOTP(secret, interval=_SECONDS), int(now.timestamp()) // _SECONDS
    steps = [
        step
        for step in (current + away for away in _WINDOW)
        if constant_time_equal(totp.generate_otp(step), code)
    ]
    return steps[0] if steps else None


@dataclass(frozen=True)
class UseTotp(Effect):
    """Uses up a time step and all steps before it: no code is accepted twice (RFC 6238 section 5.2).

    A step that no clock can have accepted by now was used before the clock was set back. It does not block
    codes until that time comes again.
    """

    credential: int
    step: int

    def apply(self) -> None:
        person_id = (
            Credential.objects.filter(pk=self.credential, kind=TOTP)
            .values_list("person_id", flat=True)
            .first()
        )
        person = lock_active(person_id or 0)
        unused = Q(counter__lt=self.step) | Q(counter__gt=self.step + _FAR_AHEAD)
        credentials = Credential.objects.filter(unused, pk=self.credential, kind=TOTP)
        if not credentials.update(counter=self.step, used_at=timezone.now()):
            raise EffectConflict(_("That code was already used. Wait for the next one."))
        subject = {"target": person.username, "topic": topic_of(person.pk, TOTP)}
        publish("person.credential_used", actor=person.username, credential=TOTP, **subject)


def verify(person: int, code: str, now: datetime) -> UseTotp | None:
    """Return the effect of using this code; None unless it is a code of the person's app.

    It is also None if the app's secret can no longer be decrypted.
    """
    for pk in Credential.objects.filter(person_id=person, kind=TOTP).values_list("pk", flat=True):
        try:
            secret = Credential.objects.get(pk=pk).secret
        except (Credential.DoesNotExist, Unsealable):
            continue
        if step := match_step(secret, code, now):
            return UseTotp(pk, step)
    return None


@dataclass(frozen=True)
class SaveTotp(Effect):
    """Stores an app's secret, proved by its code of ``step``, in place of the person's earlier app.

    ``first``: only if the person has no second factor yet, because none was proved.
    """

    person: int
    secret: str = field(repr=False)
    step: int
    first: bool
    name: str = ""

    def apply(self) -> None:
        now = timezone.now()
        credential = Credential(
            person_id=self.person,
            kind=TOTP,
            name=self.name,
            secret=self.secret,
            counter=self.step,
            used_at=now,
        )
        replace_kind(self.person, TOTP, [credential], first=self.first)
