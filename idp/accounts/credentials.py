"""What people prove themselves with: verifying is a read, changing is a verb."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from django.contrib.auth.hashers import make_password, verify_password
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils import timezone

from idp.accounts import sessions
from idp.accounts.models import Person
from idp.effects import Effect
from idp.events.bus import publish


@dataclass(frozen=True)
class Verdict:
    """``correct`` only for an active person with this password; ``stale`` when the hash wants to be made anew."""

    correct: bool
    stale: bool = False


def check_password(person: Person | None, password: str) -> Verdict:
    """Judges a password. Nobody, an inactive person and one without a password cost the same time as a wrong one."""
    nobody = _nobody()  # made before anything is looked at, so that the first call after a start tells nothing either
    correct, stale = verify_password(password, person.password if person and person.password else nobody)
    if not (person and person.is_active and person.password):
        return Verdict(correct=False)
    return Verdict(correct, correct and stale)


def is_password(person: Person, password: str) -> bool:
    """Whether this is what is stored, for configuration that says so again; signing in asks :func:`check_password`."""
    return bool(person.password) and verify_password(password, person.password)[0]


def hash_password(password: str) -> str:
    """The Argon2id hash that is stored. Costly on purpose: never inside a transaction."""
    return make_password(password)


@dataclass(frozen=True)
class UpgradeHash(Effect):
    """Replaces a password's old hash by one in the current profile; does nothing when it was changed meanwhile."""

    person: int
    old: str = field(repr=False)
    new: str = field(repr=False)

    def apply(self) -> None:
        Person.objects.filter(pk=self.person, password=self.old).update(password=self.new)


def prepare_password(person: Person, password: str) -> str:
    """The hash of a new password for this person; raises ValidationError when it is too weak. Not inside a transaction."""
    validate_password(password, person)  # type: ignore[arg-type]  # reads attributes only
    return hash_password(password)


@transaction.atomic
def store_password(person: Person, encoded: str, *, by: str) -> None:
    """Sets a new password, ends the person's sessions and makes every earlier proof worthless (checklist B15)."""
    Person.objects.filter(pk=person.pk).update(password=encoded, proofs_valid_after=timezone.now())
    sessions.end_all(person, why="password changed")
    publish("person.password_changed", actor=by, target=person.username)


def outdated(person: Person, proved_at: datetime) -> bool:
    """Whether a proof given at ``proved_at`` is older than the person's last change of credentials."""
    return bool(person.proofs_valid_after and proved_at < person.proofs_valid_after)


@lru_cache(maxsize=1)
def _nobody() -> str:
    return make_password("the password of nobody")
