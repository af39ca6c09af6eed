"""What people prove themselves with: verifying is a read, changing is a verb."""

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
from idp.accounts.people import active_locked
from idp.accounts.roles import changing
from idp.events.bus import publish
from idp.foundation.effects import Effect, EffectLost
from idp.foundation.sealing import same
from idp.foundation.text import nfc

PASSWORD, TOTP, RECOVERY_CODE = "password", "totp", "recovery_code"
LONGEST_PASSWORD = 1000


@dataclass(frozen=True)
class Verdict:
    """``correct`` only for an active person with this password; ``stale`` when the hash wants to be made
    anew.
    """

    correct: bool
    stale: bool = False


def opaque(password: str) -> str:
    """Return the form in which a password is hashed, measured and compared: OpaqueString of RFC 8265 section
    4.2.

    Composed (NFC), and every blank is U+0020; nothing else of it is changed: neither case nor width nor white
    space around it.
    """
    return (
        password
        if password.isascii()
        else nfc("".join(" " if category(letter) == "Zs" else letter for letter in password))
    )


class PasswordField(forms.CharField):
    """A password as it was typed. ``autocomplete``: what a browser may fill in."""

    def __init__(self, *, label: Any, autocomplete: str, help_text: Any = "") -> None:
        widget = forms.PasswordInput({"autocomplete": autocomplete})
        super().__init__(
            label=label, help_text=help_text, strip=False, widget=widget, validators=[_not_too_long]
        )


def _not_too_long(password: str) -> None:
    # composed, it is a quarter as long at best
    if len(password) > 4 * LONGEST_PASSWORD or len(opaque(password)) > LONGEST_PASSWORD:
        raise ValidationError(
            _("Use a password of at most %(most)d characters.") % {"most": LONGEST_PASSWORD}
        )


def _verified(password: str, encoded: str) -> tuple[bool, bool]:
    """Return whether the password is right, and whether its hash is to be made once more.

    A hash that is older than :func:`opaque` was made of what was typed: that is tried too, where it differs.
    """
    plain = opaque(password)
    correct, stale = verify_password(plain, encoded)
    if correct or same(plain, password):
        return correct, stale
    return verify_password(password, encoded)[0], True


def check_password(person: Person | None, password: str) -> Verdict:
    """Judges a password.

    Nobody, an inactive person and one without a password cost the same time as a wrong one.
    """
    # made before anything is looked at, so that the first call after a start tells nothing either
    nobody = _nobody()
    correct, stale = _verified(password, person.password if person and person.password else nobody)
    if not (person and person.is_active and person.password):
        return Verdict(correct=False)
    return Verdict(correct, correct and stale)


def is_password(person: Person, password: str) -> bool:
    """Whether this is what is stored, for configuration that says so again; signing in asks
    :func:`check_password`.
    """
    return bool(person.password) and _verified(password, person.password)[0]


def hash_password(password: str) -> str:
    """The Argon2id hash that is stored. Costly on purpose: never inside a transaction."""
    return make_password(opaque(password))


@dataclass(frozen=True)
class UpgradeHash(Effect):
    """Replaces a password's old hash by one in the current profile; does nothing when it was changed
    meanwhile.
    """

    person: int
    old: str = field(repr=False)
    new: str = field(repr=False)

    def apply(self) -> None:
        Person.objects.filter(pk=self.person, password=self.old).update(password=self.new)


def weaknesses(person: Person, password: str) -> list[str]:
    """Return what is wrong with a new password for this person by AUTH_PASSWORD_VALIDATORS, as sentences; []
    for a good one.
    """
    try:
        _check_strength(person, password)
    except ValidationError as weak:
        return list(weak.messages)
    return []


def prepare_password(person: Person, password: str) -> str:
    """The hash of a new password for this person; raises ValidationError when it is too weak.

    Not inside a transaction.
    """
    _check_strength(person, password)
    return hash_password(password)


def _check_strength(person: Person, password: str) -> None:
    _not_too_long(password)
    validate_password(opaque(password), person)  # type: ignore[arg-type]  # reads attributes only


@transaction.atomic
def store_password(person: Person, encoded: str, *, by: str) -> None:
    """Sets a new password, ends the person's sessions and makes every earlier proof worthless (checklist
    B15).
    """
    Person.objects.filter(pk=person.pk).update(password=encoded)
    sessions.end_everything(person, why="password changed", by=by)
    publish("person.password_changed", actor=by, target=person.username)


def change_own_password(person: Person, session: int, password: str) -> sessions.Opened:
    """Set the password that a person chose in this session, which alone goes on, under a new key; everything
    else of theirs ends.

    Raises ValidationError where it is too weak, or EffectLost.
    """
    encoded = prepare_password(person, password)
    with transaction.atomic():
        Person.objects.filter(pk=person.pk).update(password=encoded)
        publish("person.password_changed", actor=person.username, target=person.username)
        return sessions.end_elsewhere(person, session, why="password changed")


def outdated(person: Person, proved_at: datetime) -> bool:
    """Whether a proof given at ``proved_at`` is older than the person's last change of credentials."""
    return person.outdated(proved_at)


@dataclass(frozen=True)
class Held:
    """One credential as its holder sees it: nothing secret.

    ``left``: how many of it are unused, where they are used up.
    """

    pk: int
    kind: str
    name: str
    since: datetime
    used_at: datetime | None
    left: int | None = None


def held(person: Person) -> list[Held]:
    """What this person proves themselves with besides a password; their recovery codes count as one."""
    members = ("pk", "kind", "name", "created_at", "used_at")
    rows = [
        Held(*row) for row in Credential.objects.filter(person=person).order_by("pk").values_list(*members)
    ]
    found, codes = (
        [row for row in rows if row.kind != RECOVERY_CODE],
        [row for row in rows if row.kind == RECOVERY_CODE],
    )
    if codes:
        used = max((row.used_at for row in codes if row.used_at), default=None)
        found.append(replace(codes[0], used_at=used, left=sum(row.used_at is None for row in codes)))
    return found


def kinds_of(pk: int | None) -> list[str]:
    """The kinds by which this person is asked to prove themselves, sorted: "password" where one is set,
    "recovery_code" while any is left.

    Used-up codes that nothing else stands beside count too: a condition that asks for a code must not let in
    whoever has none left.
    """
    if not pk:
        return []
    if pretended := simulated.by_key(pk):
        return sorted(pretended.credentials)
    rows = list(Credential.objects.filter(person_id=pk).values_list("kind", "used_at"))
    kinds = {kind for kind, used_at in rows if kind != RECOVERY_CODE or used_at is None} or {
        kind for kind, _used_at in rows
    }
    if Person.objects.filter(pk=pk).exclude(password="").exists():
        kinds.add(PASSWORD)
    return sorted(kinds)


def guarded(pk: int) -> bool:
    """Whether this person was ever given more than a password, used up or not: a password alone may not add
    to it or change it.
    """
    if pretended := simulated.by_key(pk):
        return bool(set(pretended.credentials) - {PASSWORD})
    return bool(pk) and Credential.objects.filter(person_id=pk).exists()


def unguarded_staff(most: int = 20) -> list[str]:
    """Return the usernames of active people who may change something and have nothing but a
    password, sorted.
    """
    people = Person.objects.filter(is_active=True, credentials=None, role__in=changing())
    return list(people.order_by("username").values_list("username", flat=True)[:most])


def topic_of(person: int, kind: str) -> str:
    """The topic of the events about what a person has of this kind: one that is replaced takes its story
    along.
    """
    return f"credential:{person}:{kind}"


def replace_kind(pk: int, kind: str, fresh: Sequence[Credential], *, first: bool) -> None:
    """Stores ``fresh`` in place of all that the person had of ``kind``. To be called within a transaction.

    ``first``: the person has shown no second factor, so this may only be their first one. Raises EffectLost,
    for good, when it is not, and when the person is not active: whoever knows no more than the password never
    replaces what guards it.
    """
    person = active_locked(pk)
    kinds = set(Credential.objects.filter(person=person).values_list("kind", flat=True))
    if first and kinds:
        raise EffectLost(
            _("A second factor was set up for this account in the meantime. Please start again."),
            final=True,
        )
    Credential.objects.filter(person=person, kind=kind).delete()
    Credential.objects.bulk_create(fresh)
    did = "person.credential_replaced" if kind in kinds else "person.credential_added"
    about = {"target": person.username, "topic": topic_of(person.pk, kind)}
    publish(did, actor=person.username, credential=kind, first=not kinds, **about)


@transaction.atomic
def remove(pk: int, *, of: int, by: str) -> bool:
    """Removes a credential of the person ``of``, recovery codes all together; False when they have no such
    one. Sessions go on.
    """
    person = Person.objects.select_for_update().filter(pk=of).first()
    kind = (
        Credential.objects.filter(pk=pk, person=person).values_list("kind", flat=True).first()
        if person
        else None
    )
    if person is None or kind is None:
        return False
    mine = Credential.objects.filter(person=person)
    (mine.filter(kind=kind) if kind == RECOVERY_CODE else mine.filter(pk=pk)).delete()
    if not mine.exclude(kind=RECOVERY_CODE, used_at__isnull=False).exists():
        mine.delete()  # codes that are used up would shut out a person who has just chosen the password alone
    about = {"target": person.username, "topic": topic_of(person.pk, kind)}
    publish("person.credential_removed", actor=by, credential=kind, last=not mine.exists(), **about)
    return True


@transaction.atomic
def remove_all(person: Person, *, by: str) -> int:
    """Remove whatever guards the account beside a password, for a person who has lost it, and return how many
    kinds.

    Sessions end, and tokens with them: whoever found the phone may be signed in with it, and may have
    connected a device.
    """
    gone = sum(remove(each.pk, of=person.pk, by=by) for each in held(person))
    if gone:
        sessions.end_everything(person, why="second factor reset", by=by)
    return gone


@transaction.atomic
def take_away(pk: int, *, of: int, by: str) -> bool:
    """Remove one credential of another person, who may have lost it: everything that was proved with it ends
    too.
    """
    if not remove(pk, of=of, by=by):
        return False
    sessions.end_everything(Person.objects.get(pk=of), why="second factor removed", by=by)
    return True


@lru_cache(maxsize=1)
def _nobody() -> str:
    return make_password("the password of nobody")
