"""Recovery codes: ten one-time codes for a person who has lost every other second factor.

Only the MAC of each code is stored, under a random key of its own that is sealed beside it. So the codes
survive a change of the server's key.
"""

import secrets
from dataclasses import dataclass, field

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts import simulated
from idp.accounts.credentials import RECOVERY_CODE, replace_kind, topic_of
from idp.accounts.models import Credential
from idp.accounts.people import lock_active
from idp.events.bus import publish
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.sealing import Unsealable, constant_time_equal, mac_under, macs, new_token
from idp.foundation.text import fold_code

METHOD = "otp"  # RFC 8176
CODE_COUNT = 10
LOW_COUNT = 3  # with this many left, the person should create new ones
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32; ten letters are 50 bits
_LENGTH, _GROUP = 10, 5
_LOOK_ALIKES = str.maketrans("ilo", "110")
_PURPOSE = "recovery_code"


class SavedForm(forms.Form):
    """The single button below codes that were just created."""

    saved = forms.ChoiceField(choices=[("yes", _("I've saved my codes"))])


def new_codes() -> list[str]:
    """Return ten codes, formatted like ``abcde-fghjk``."""
    return [
        format_code("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))) for _ in range(CODE_COUNT)
    ]


def format_code(code: str) -> str:
    """Return the code in two groups of five."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def normalize_recovery_code(typed: str) -> str:
    """Return the code without its spelling: case, width, dashes and spaces; i and l are 1, o is 0."""
    plain = fold_code(typed).lower().translate(_LOOK_ALIKES)
    return "".join(letter for letter in plain if letter in _ALPHABET)[: _LENGTH + 1]


def count_unused(person: int) -> int:
    """Return how many unused codes this person has."""
    if simulated_person := simulated.by_key(person):
        return CODE_COUNT if RECOVERY_CODE in simulated_person.credentials else 0
    return (
        Credential.objects.filter(person_id=person, kind=RECOVERY_CODE, used_at=None).count() if person else 0
    )


@dataclass(frozen=True)
class UseRecoveryCode(Effect):
    """Uses up one code."""

    credential: int

    def apply(self) -> None:
        codes = Credential.objects.filter(pk=self.credential, kind=RECOVERY_CODE)
        person = lock_active(codes.values_list("person_id", flat=True).first() or 0)
        if not codes.filter(used_at=None).update(used_at=timezone.now()):
            raise EffectConflict(_("That code was already used. Use another one."))
        subject = {"target": person.username, "topic": topic_of(person.pk, RECOVERY_CODE)}
        publish(
            "person.credential_used",
            actor=person.username,
            credential=RECOVERY_CODE,
            left=count_unused(person.pk),
            **subject,
        )


def verify(person: int, typed: str) -> UseRecoveryCode | None:
    """Return the effect of using this code, or None unless it is an unused code of this person."""
    code = normalize_recovery_code(typed)
    server_macs = macs(_PURPOSE, code)
    try:
        unused = list(
            Credential.objects.filter(person_id=person, kind=RECOVERY_CODE, used_at=None).values_list(
                "pk", "secret", "lookup"
            )
        )
    except Unsealable:
        return None
    for pk, key, stored in unused:
        if any(
            constant_time_equal(stored, each)
            for each in ([mac_under(key, _PURPOSE, code)] if key else server_macs)
        ):
            return UseRecoveryCode(pk)
    return None


def count_under_server_key() -> int:
    """Return how many unused codes were hashed under the server's own key and are lost with it."""
    return Credential.objects.filter(kind=RECOVERY_CODE, used_at=None, secret="").count()


@dataclass(frozen=True)
class SaveRecoveryCodes(Effect):
    """Stores these codes in place of all earlier ones.

    ``first``: only if the person has no second factor yet.
    """

    person: int
    codes: tuple[str, ...] = field(repr=False)
    first: bool

    def apply(self) -> None:
        keyed = [(new_token(), normalize_recovery_code(code)) for code in self.codes]
        rows = [{"secret": key, "lookup": mac_under(key, _PURPOSE, code)} for key, code in keyed]
        credentials = [Credential(person_id=self.person, kind=RECOVERY_CODE, **row) for row in rows]
        replace_kind(self.person, RECOVERY_CODE, credentials, first=self.first)
