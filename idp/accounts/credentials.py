"""What people prove their identity with: passwords and other credentials.

Verifying a credential never writes. Every change is a function of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from unicodedata import category

from django import forms
from django.contrib.auth.hashers import make_password, verify_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from idp.accounts import sessions, simulated
from idp.accounts.models import Credential, Person
from idp.accounts.people import lock_active
from idp.accounts.roles import writing_roles
from idp.events.bus import publish
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.sealing import constant_time_equal
from idp.foundation.text import nfc

PASSWORD, TOTP, RECOVERY_CODE = "password", "totp", "recovery_code"
MAX_PASSWORD_LENGTH = 1000


@dataclass(frozen=True)
class PasswordCheck:
    """The result of a password check.

    ``correct``: the person is active and this is their password. ``stale``: the hash should be created again
    with the current parameters.
    """

    correct: bool
    needs_rehash: bool = False


def normalize_password(password: str) -> str:
    """Return a password normalized by the OpaqueString profile (RFC 8265 section 4.2).

    This form is hashed, measured and compared. It is composed (NFC), and every space character is U+0020.
    Nothing else changes: neither case nor width nor surrounding white space.
    """
    if password.isascii():
        return password
    return nfc("".join(" " if category(letter) == "Zs" else letter for letter in password))


class PasswordField(forms.CharField):
    """A form field that keeps a password as it was typed; ``autocomplete`` is what a browser may fill in."""

    def __init__(self, *, label: Any, autocomplete: str, help_text: Any = "") -> None:
        widget = forms.PasswordInput({"autocomplete": autocomplete})
        super().__init__(
            label=label, help_text=help_text, strip=False, widget=widget, validators=[_validate_length]
        )


def _validate_length(password: str) -> None:
    # composition never shortens it to less than a quarter
    if len(password) > 4 * MAX_PASSWORD_LENGTH or len(normalize_password(password)) > MAX_PASSWORD_LENGTH:
        raise ValidationError(
            _("Use a password of at most %(most)d characters.") % {"most": MAX_PASSWORD_LENGTH}
        )


def _verify(password: str, encoded: str) -> tuple[bool, bool]:
    """Return whether the password is right, and whether its hash should be created again.

    Hashes that are older than :func:`normalize_password` were computed from the password as typed. Where that
    differs from the normalized form, it is tried too.
    """
    plain = normalize_password(password)
    correct, stale = verify_password(plain, encoded)
    if correct or constant_time_equal(plain, password):
        return correct, stale
    return verify_password(password, encoded)[0], True


def check_password(person: Person | None, password: str) -> PasswordCheck:
    """Check a password of a person, or of None for an unknown name.

    An unknown name, an inactive person and a person without a password cost the same time as a wrong
    password.
    """
    # computed first, so that the timing of the first call after a start reveals nothing either
    dummy = _dummy_hash()
    correct, stale = _verify(password, person.password if person and person.password else dummy)
    if not (person and person.is_active and person.password):
        return PasswordCheck(correct=False)
    return PasswordCheck(correct, correct and stale)


def is_current_password(person: Person, password: str) -> bool:
    """Return whether this is the person's stored password.

    This is for configuration that repeats a password. Sign-ins use :func:`check_password`.
    """
    return bool(person.password) and _verify(password, person.password)[0]


def hash_password(password: str) -> str:
    """Return the Argon2id hash to store.

    Hashing is expensive by design, so never call it inside a transaction.
    """
    return make_password(normalize_password(password))


@dataclass(frozen=True)
class UpgradeHash(Effect):
    """Replaces an old password hash by one with the current parameters.

    It does nothing if the password was changed in the meantime.
    """

    person: int
    old: str = field(repr=False)
    new: str = field(repr=False)

    def apply(self) -> None:
        Person.objects.filter(pk=self.person, password=self.old).update(password=self.new)


def find_weaknesses(person: Person, password: str) -> list[str]:
    """Return what AUTH_PASSWORD_VALIDATORS reject about a new password, as sentences; [] for a good one."""
    try:
        _check_strength(person, password)
    except ValidationError as weak:
        return list(weak.messages)
    return []


def prepare_password(person: Person, password: str) -> str:
    """Return the hash of a new password for this person; raise ValidationError when it is too weak.

    Do not call it inside a transaction.
    """
    _check_strength(person, password)
    return hash_password(password)


def _check_strength(person: Person, password: str) -> None:
    _validate_length(password)
    validate_password(normalize_password(password), person)  # type: ignore[arg-type]  # reads attributes only


@transaction.atomic
def store_password(person: Person, encoded: str, *, by: str) -> None:
    """Set a new password, end the person's sessions and invalidate every earlier proof (checklist B15)."""
    Person.objects.filter(pk=person.pk).update(password=encoded)
    sessions.end_everything(person, why="password changed", by=by)
    publish("person.password_changed", actor=by, target=person.username)


def change_own_password(person: Person, session: int, password: str) -> sessions.IssuedSession:
    """Set the password that a person chose in this session, and return the session under its new key.

    All other sessions and proofs of the person end. Raises ValidationError where the password is too weak, or
    EffectConflict.
    """
    encoded = prepare_password(person, password)
    with transaction.atomic():
        Person.objects.filter(pk=person.pk).update(password=encoded)
        publish("person.password_changed", actor=person.username, target=person.username)
        return sessions.end_elsewhere(person, session, why="password changed")


def is_proof_outdated(person: Person, proved_at: datetime) -> bool:
    """Return whether a proof from ``proved_at`` is older than the person's last change of credentials."""
    return person.is_proof_outdated(proved_at)


@dataclass(frozen=True)
class CredentialSummary:
    """One credential as its holder sees it, without secrets.

    ``codes_left``: how many recovery codes are unused, None for other kinds.
    """

    pk: int
    kind: str
    name: str
    created_at: datetime
    used_at: datetime | None
    codes_left: int | None = None


def list_credentials(person: Person) -> list[CredentialSummary]:
    """Return the person's credentials besides the password; all recovery codes count as one."""
    members = ("pk", "kind", "name", "created_at", "used_at")
    rows = [
        CredentialSummary(*row)
        for row in Credential.objects.filter(person=person).order_by("pk").values_list(*members)
    ]
    summaries, codes = (
        [row for row in rows if row.kind != RECOVERY_CODE],
        [row for row in rows if row.kind == RECOVERY_CODE],
    )
    if codes:
        used = max((row.used_at for row in codes if row.used_at), default=None)
        summaries.append(
            replace(codes[0], used_at=used, codes_left=sum(row.used_at is None for row in codes))
        )
    return summaries


def kinds_of(pk: int | None) -> list[str]:
    """Return the sorted kinds of credential that this person is asked for.

    "password" is included where one is set, "recovery_code" while any code is left. Used codes count where
    the person has no other second factor: a condition that requires a code must not admit a person who has
    none left.
    """
    if not pk:
        return []
    if simulated_person := simulated.by_key(pk):
        return sorted(simulated_person.credentials)
    rows = list(Credential.objects.filter(person_id=pk).values_list("kind", "used_at"))
    kinds = {kind for kind, used_at in rows if kind != RECOVERY_CODE or used_at is None} or {
        kind for kind, _used_at in rows
    }
    if Person.objects.filter(pk=pk).exclude(password="").exists():
        kinds.add(PASSWORD)
    return sorted(kinds)


def has_second_factor(pk: int) -> bool:
    """Return whether this person was ever given more than a password, even if it is used up.

    Such a person may not add or change credentials with the password alone.
    """
    if simulated_person := simulated.by_key(pk):
        return bool(set(simulated_person.credentials) - {PASSWORD})
    return bool(pk) and Credential.objects.filter(person_id=pk).exists()


def staff_without_second_factor(most: int = 20) -> list[str]:
    """Return the sorted usernames of active people who may change something and have only a password."""
    people = Person.objects.filter(is_active=True, credentials=None, role__in=writing_roles())
    return list(people.order_by("username").values_list("username", flat=True)[:most])


def topic_of(person: int, kind: str) -> str:
    """Return the topic of the events about a person's credentials of one kind.

    A credential that replaces another of its kind continues the same topic.
    """
    return f"credential:{person}:{kind}"


def replace_kind(pk: int, kind: str, new: Sequence[Credential], *, first: bool) -> None:
    """Store ``fresh`` in place of all of the person's credentials of ``kind``; call it in a transaction.

    ``first``: the person has not proved a second factor, so this may only be their first one. Raises a final
    EffectConflict when it is not, and when the person is not active: knowing the password alone is never
    enough to replace a second factor.
    """
    person = lock_active(pk)
    kinds = set(Credential.objects.filter(person=person).values_list("kind", flat=True))
    if first and kinds:
        raise EffectConflict(
            _("A second factor was set up for this account in the meantime. Please start again."),
            final=True,
        )
    Credential.objects.filter(person=person, kind=kind).delete()
    Credential.objects.bulk_create(new)
    event = "person.credential_replaced" if kind in kinds else "person.credential_added"
    subject = {"target": person.username, "topic": topic_of(person.pk, kind)}
    publish(event, actor=person.username, credential=kind, first=not kinds, **subject)


@transaction.atomic
def remove(pk: int, *, of: int, by: str) -> bool:
    """Remove a credential of the person ``of``, and return False when they have no such one.

    Recovery codes are removed all together. Sessions continue.
    """
    person = Person.objects.select_for_update().filter(pk=of).first()
    kind = (
        Credential.objects.filter(pk=pk, person=person).values_list("kind", flat=True).first()
        if person
        else None
    )
    if person is None or kind is None:
        return False
    credentials = Credential.objects.filter(person=person)
    (credentials.filter(kind=kind) if kind == RECOVERY_CODE else credentials.filter(pk=pk)).delete()
    if not credentials.exclude(kind=RECOVERY_CODE, used_at__isnull=False).exists():
        credentials.delete()  # used codes would lock out a person who has just chosen the password alone
    subject = {"target": person.username, "topic": topic_of(person.pk, kind)}
    publish("person.credential_removed", actor=by, credential=kind, last=not credentials.exists(), **subject)
    return True


@transaction.atomic
def remove_all(person: Person, *, by: str) -> int:
    """Remove all credentials besides the password, and return how many kinds there were.

    This is for a person who has lost their second factors. Their sessions and tokens end too: a person who
    found the phone may be signed in with it, and may have connected a device.
    """
    removed = sum(remove(each.pk, of=person.pk, by=by) for each in list_credentials(person))
    if removed:
        sessions.end_everything(person, why="second factor reset", by=by)
    return removed


@transaction.atomic
def remove_and_sign_out(pk: int, *, of: int, by: str) -> bool:
    """Remove one credential of another person and end everything that was proved with it.

    Returns False when the person has no such credential.
    """
    if not remove(pk, of=of, by=by):
        return False
    sessions.end_everything(Person.objects.get(pk=of), why="second factor removed", by=by)
    return True


@lru_cache(maxsize=1)
def _dummy_hash() -> str:
    return make_password("the password of no one")
