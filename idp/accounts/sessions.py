"""Sessions: a row of our own for each person signed in; the cookie holds a random key, the table its hash."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts.models import Person, Session
from idp.events.bus import publish, publish_many
from idp.events.origin import current_origin
from idp.foundation.effects import Effect, EffectLost
from idp.foundation.sealing import digest, new_token


@dataclass(frozen=True)
class Opened:
    """A session that has just begun; ``key`` goes to the browser once the transaction is committed, and
    nowhere else.
    """

    session: int
    person: int
    authenticated_at: datetime
    key: str = field(repr=False)


@dataclass(frozen=True)
class SignIn(Effect):
    """Signs ``person`` in after ``methods`` proved them (RFC 8176 names); ``current`` is the session that the
    client has now.

    ``proofs``: the moment of each method, as ISO 8601; one that is not said was proved just now.
    ``lifetime``: how many seconds the session lasts, at most as long as the installation lets any session
    last; None: as long as that.
    """

    person: int
    methods: tuple[str, ...]
    current: int | None
    proofs: Mapping[str, str] = field(default_factory=dict)
    lifetime: int | None = None

    def apply(self) -> Opened:
        return sign_in(self)

    def learned(self, result: Opened | None) -> Mapping[str, Any]:
        moment = result.authenticated_at if result else timezone.now()
        session = result.session if result else None
        return {
            "signed_in": {
                "person": self.person,
                "session": session,
                "at": moment.isoformat(),
                "methods": list(self.methods),
            }
        }


@dataclass(frozen=True)
class Closed:
    """A session that has just ended: whoever holds its key may forget it."""

    session: int


@dataclass(frozen=True)
class SignOut(Effect):
    """Ends a session, at once and on every node; one that had ended already stays ended."""

    session: int

    def apply(self) -> Closed:
        end(self.session, why="signed out")
        return Closed(self.session)


@dataclass(frozen=True)
class StepUp(Effect):
    """Adds ``method`` (RFC 8176) to those that proved the person of a living session: a second factor asked
    for after signing in.
    """

    session: int
    method: str

    def apply(self) -> None:
        session = _locked(self.session)
        session.proved(self.method, timezone.now())
        session.save(update_fields=["methods", "proofs"])
        publish(
            "session.stepped_up",
            actor=session.person.username,
            topic=topic_of(session.pk),
            methods=session.methods,
        )


@dataclass(frozen=True)
class ProvedAgain(Effect):
    """Notes that ``person`` has proved themselves anew in their living session, by ``method`` (RFC 8176)."""

    session: int
    person: int
    method: str

    def apply(self) -> Session:
        session = _locked(self.session, self.person)
        now = timezone.now()
        session.proved(self.method, now)
        session.authenticated_at = now
        session.save(update_fields=["authenticated_at", "methods", "proofs"])
        publish(
            "session.proved_again",
            actor=session.person.username,
            topic=topic_of(session.pk),
            method=self.method,
        )
        return session

    def learned(self, result: Session | None) -> Mapping[str, Any]:
        moment = result.authenticated_at if result else timezone.now()
        methods = list(result.methods) if result else [self.method]
        return {
            "signed_in": {
                "person": self.person,
                "session": self.session,
                "at": moment.isoformat(),
                "methods": methods,
            }
        }


def sign_in(request: SignIn) -> Opened:
    """Opens a session; the same person in the same client keeps their row, under a new key (no fixation, no
    lost tabs).

    Raises EffectLost when the person is no longer active, or what proved them no longer counts. The row of
    the person is locked: what ends everything either finds this session or is found by it.
    """
    now, key = timezone.now(), new_token()
    person = Person.objects.select_for_update().filter(pk=request.person, is_active=True).first()
    proofs = {method: request.proofs.get(method, now.isoformat()) for method in request.methods}
    if person is None or any(person.outdated(datetime.fromisoformat(at)) for at in proofs.values()):
        raise EffectLost(_("You can't sign in right now."), final=True)
    lasting = {
        "key_hash": digest(key),
        "methods": list(request.methods),
        "proofs": proofs,
        "authenticated_at": now,
        "expires_at": now
        + timedelta(seconds=min(request.lifetime or settings.SESSION_LIFETIME, settings.SESSION_LIFETIME)),
        "address": current_origin().address,
        "agent": current_origin().agent,
    }
    kept = _living(now).filter(pk=request.current, person=person)
    if kept.update(**lasting):
        session = int(request.current or 0)
    else:
        if request.current:
            end(request.current, why="someone else signed in")
        session = Session.objects.create(person=person, **lasting).pk
    publish("session.started", actor=person.username, topic=topic_of(session), methods=list(request.methods))
    return Opened(session, person.pk, now, key)


def renew(pk: int) -> Opened:
    """Give a living session a new key, so that a copy of its cookie opens nothing any more; raises
    EffectLost.
    """
    session, key = _locked(pk), new_token()
    Session.objects.filter(pk=pk).update(key_hash=digest(key))
    return Opened(pk, session.person_id, session.authenticated_at, key)


def topic_of(session: int) -> str:
    """The topic of the events about a session."""
    return f"session:{session}"


def find(key: str) -> Session | None:
    """The living session with this key, of an active person, with the person loaded."""
    now = timezone.now()
    return (
        _living(now).filter(key_hash=digest(key), person__is_active=True).select_related("person").first()
        if key
        else None
    )


def alive(pk: int | None) -> Session | None:
    """The living session with this number, of an active person, with the person loaded."""
    now = timezone.now()
    return _living(now).filter(pk=pk, person__is_active=True).select_related("person").first() if pk else None


def end(pk: int, *, why: str, by: str = "") -> bool:
    """Ends one session, at once and on every node; answers whether it was alive.

    ``by``: who did it, "" for the person themselves.
    """
    session = Session.objects.filter(pk=pk, ended_at=None).select_related("person").first()
    if session is None or not Session.objects.filter(pk=pk, ended_at=None).update(ended_at=timezone.now()):
        return False
    person = session.person.username
    publish("session.ended", actor=by or person, target=person, topic=topic_of(pk), why=why)
    return True


@transaction.atomic
def end_all(*people: Person, why: str, by: str = "", keep: int | None = None) -> int:
    """End every session of these people but ``keep``, publish an event for each, and return how many.

    Tokens live on.
    """
    rows = Session.objects.filter(person__in=people, ended_at=None).exclude(pk=keep or 0)
    ending = list(rows.select_for_update().order_by("pk").values_list("pk", "person__username"))
    ended = rows.update(ended_at=timezone.now())  # also one that has begun since
    publish_many("session.ended", [(name, "", topic_of(pk)) for pk, name in ending], actor=by, why=why)
    return ended


@transaction.atomic
def end_everything(*people: Person, why: str, by: str = "", keep: int | None = None) -> int:
    """Make every earlier proof of these people worthless and return how many sessions ended.

    Their sessions end at once; refresh tokens, access tokens, approved devices and runs under way are refused
    from now on, because what they rest on was proved before. ``keep``: the session in which a person does
    this to themselves; it counts as proved now.
    """
    now = timezone.now()
    for person in people:
        person.proofs_valid_after = now
    Person.objects.filter(pk__in=[person.pk for person in people]).update(proofs_valid_after=now)
    # each of its proofs stays as old as it is
    for session in Session.objects.filter(pk=keep or 0, person__in=people):
        proofs = {method: at.isoformat() for method, at in session.moments.items()}
        Session.objects.filter(pk=session.pk).update(authenticated_at=now, proofs=proofs)
    return end_all(*people, why=why, by=by, keep=keep)


@transaction.atomic
def end_elsewhere(person: Person, session: int, *, why: str) -> Opened:
    """End everything of this person but one session, which goes on under a new key: a copy of its cookie ends
    too. Raises EffectLost.
    """
    end_everything(person, why=why, by=person.username, keep=session)
    return renew(session)


def sweep(now: datetime, batch: int = 1000) -> int:
    """Deletes one batch of sessions that ended or expired over a day ago; answers how many."""
    long_ago = now - timedelta(days=1)
    stale = list(Session.objects.filter(expires_at__lt=long_ago).values_list("pk", flat=True)[:batch])
    return Session.objects.filter(pk__in=stale).delete()[0] if stale else 0


def _locked(pk: int, person: int | None = None) -> Session:
    """The living session, which nobody else changes until the transaction ends; raises EffectLost,
    for good.
    """
    session = Session.objects.select_for_update().filter(pk=pk).first()
    living = alive(pk) if session else None
    if living is None or (person is not None and living.person_id != person):
        raise EffectLost(_("Your session expired. Please start again."), final=True)
    return living


def _living(now: datetime) -> Any:
    return Session.objects.filter(ended_at=None, expires_at__gt=now)
