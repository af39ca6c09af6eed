"""Sessions: one row for each; the cookie holds a random key, the table its hash."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts.models import Person, Session
from idp.events.bus import publish, publish_bulk
from idp.events.origin import current_origin
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.facts import Facts, SignedIn
from idp.foundation.sealing import digest, new_token


@dataclass(frozen=True)
class IssuedSession:
    """A session that was just started or renewed, with its new key.

    ``key`` is sent to the browser after the transaction is committed, and nowhere else.
    """

    session: int
    person: int
    authenticated_at: datetime
    key: str = field(repr=False)


@dataclass(frozen=True)
class SignIn(Effect):
    """Signs ``person`` in after ``methods`` proved them (RFC 8176 names).

    ``current`` is the client's current session. ``proofs``: the time of each method, in ISO 8601; a missing
    one was proved just now. ``lifetime``: how many seconds the session lasts. The installation's maximum
    limits it, and applies where it is None.
    """

    person: int
    methods: tuple[str, ...]
    current: int | None
    proofs: Mapping[str, str] = field(default_factory=dict)
    lifetime: int | None = None

    def apply(self) -> IssuedSession:
        return sign_in(self)

    def new_facts(self, result: IssuedSession | None) -> Facts:
        moment = result.authenticated_at if result else timezone.now()
        session = result.session if result else None
        return Facts(signed_in=SignedIn(self.person, session, moment, self.methods))


@dataclass(frozen=True)
class EndedSession:
    """A session that has just ended, so that its client can forget the key."""

    session: int


@dataclass(frozen=True)
class SignOut(Effect):
    """Ends a session at once and on every node; one that has already ended stays so."""

    session: int

    def apply(self) -> EndedSession:
        end(self.session, why="signed out")
        return EndedSession(self.session)


@dataclass(frozen=True)
class StepUp(Effect):
    """Adds ``method`` (RFC 8176), a second factor proved after the sign-in, to an active session.

    ``session`` is None only in a dry run.
    """

    session: int | None
    method: str

    def apply(self) -> None:
        session = _lock(self.session)
        session.record_proof(self.method, timezone.now())
        session.save(update_fields=["methods", "proofs"])
        publish(
            "session.stepped_up",
            actor=session.person.username,
            topic=topic_of(session.pk),
            methods=session.methods,
        )


@dataclass(frozen=True)
class ProvedAgain(Effect):
    """Records that ``person`` reauthenticated by ``method`` (RFC 8176) in their active session.

    ``session`` is None only in a dry run.
    """

    session: int | None
    person: int
    method: str

    def apply(self) -> Session:
        session = _lock(self.session, self.person)
        now = timezone.now()
        session.record_proof(self.method, now)
        session.authenticated_at = now
        session.save(update_fields=["authenticated_at", "methods", "proofs"])
        publish(
            "session.proved_again",
            actor=session.person.username,
            topic=topic_of(session.pk),
            method=self.method,
        )
        return session

    def new_facts(self, result: Session | None) -> Facts:
        moment = result.authenticated_at if result else timezone.now()
        methods = tuple(result.methods) if result else (self.method,)
        return Facts(signed_in=SignedIn(self.person, self.session, moment, methods))


def sign_in(request: SignIn) -> IssuedSession:
    """Start a session; the same person in the same client keeps the row, under a new key.

    The new key prevents session fixation, and keeping the row means that open tabs stay signed in. Raises
    EffectConflict when the person is no longer active, or when a proof no longer counts. The person's row is
    locked: a concurrent call that ends all sessions either finds this session or is seen by it.
    """
    now, key = timezone.now(), new_token()
    person = Person.objects.select_for_update().filter(pk=request.person, is_active=True).first()
    proofs = {method: request.proofs.get(method, now.isoformat()) for method in request.methods}
    if person is None or any(person.is_proof_outdated(datetime.fromisoformat(at)) for at in proofs.values()):
        raise EffectConflict(_("You can't sign in right now."), final=True)
    values = {
        "key_hash": digest(key),
        "methods": list(request.methods),
        "proofs": proofs,
        "authenticated_at": now,
        "expires_at": now
        + timedelta(seconds=min(request.lifetime or settings.SESSION_LIFETIME, settings.SESSION_LIFETIME)),
        "address": current_origin().address,
        "agent": current_origin().agent,
    }
    current = _active_sessions(now).filter(pk=request.current, person=person)
    if current.update(**values):
        session = int(request.current or 0)
    else:
        if request.current:
            end(request.current, why="someone else signed in")
        session = Session.objects.create(person=person, **values).pk
    publish("session.started", actor=person.username, topic=topic_of(session), methods=list(request.methods))
    return IssuedSession(session, person.pk, now, key)


def renew_key(pk: int) -> IssuedSession:
    """Give an active session a new key, so that copies of its cookie become useless; raise EffectConflict."""
    session, key = _lock(pk), new_token()
    Session.objects.filter(pk=pk).update(key_hash=digest(key))
    return IssuedSession(pk, session.person_id, session.authenticated_at, key)


def topic_of(session: int) -> str:
    """Return the topic of the events about a session."""
    return f"session:{session}"


def find_by_key(key: str) -> Session | None:
    """Return the active session with this key, of an active person, with the person loaded."""
    now = timezone.now()
    return (
        _active_sessions(now)
        .filter(key_hash=digest(key), person__is_active=True)
        .select_related("person")
        .first()
        if key
        else None
    )


def find_by_id(pk: int | None) -> Session | None:
    """Return the active session with this ID, of an active person, with the person loaded."""
    now = timezone.now()
    return (
        _active_sessions(now).filter(pk=pk, person__is_active=True).select_related("person").first()
        if pk
        else None
    )


def end(pk: int, *, why: str, by: str = "") -> bool:
    """End one session at once and on every node, and return whether it was active.

    ``by``: who ended it, "" for the person themselves.
    """
    session = Session.objects.filter(pk=pk, ended_at=None).select_related("person").first()
    if session is None or not Session.objects.filter(pk=pk, ended_at=None).update(ended_at=timezone.now()):
        return False
    person = session.person.username
    publish("session.ended", actor=by or person, target=person, topic=topic_of(pk), why=why)
    return True


@transaction.atomic
def end_sessions(*people: Person, why: str, by: str = "", keep: int | None = None) -> int:
    """End every session of these people but ``keep``, publish an event for each, and return how many.

    Tokens stay valid.
    """
    rows = Session.objects.filter(person__in=people, ended_at=None).exclude(pk=keep or 0)
    ending = list(rows.select_for_update().order_by("pk").values_list("pk", "person__username"))
    ended = rows.update(ended_at=timezone.now())  # includes sessions that started since
    publish_bulk("session.ended", [(name, "", topic_of(pk)) for pk, name in ending], actor=by, why=why)
    return ended


@transaction.atomic
def end_everything(*people: Person, why: str, by: str = "", keep: int | None = None) -> int:
    """Invalidate every earlier proof of these people, and return how many sessions ended.

    Their sessions end at once. Refresh tokens, access tokens, approved devices and current runs are refused
    from now on, because they rest on earlier proofs. ``keep``: the session in which a person does this to
    themselves; it counts as proved now.
    """
    now = timezone.now()
    for person in people:
        person.proofs_valid_after = now
    Person.objects.filter(pk__in=[person.pk for person in people]).update(proofs_valid_after=now)
    # the times of its proofs do not change
    for session in Session.objects.filter(pk=keep or 0, person__in=people):
        proofs = {method: at.isoformat() for method, at in session.proof_times.items()}
        Session.objects.filter(pk=session.pk).update(authenticated_at=now, proofs=proofs)
    return end_sessions(*people, why=why, by=by, keep=keep)


@transaction.atomic
def end_elsewhere(person: Person, session: int, *, why: str) -> IssuedSession:
    """End everything of this person but one session, and return that session under a new key.

    The new key makes copies of its cookie useless. Raises EffectConflict.
    """
    end_everything(person, why=why, by=person.username, keep=session)
    return renew_key(session)


def sweep(now: datetime, batch: int = 1000) -> int:
    """Delete one batch of sessions that expired more than a day ago, and return how many."""
    long_ago = now - timedelta(days=1)
    stale = list(Session.objects.filter(expires_at__lt=long_ago).values_list("pk", flat=True)[:batch])
    return Session.objects.filter(pk__in=stale).delete()[0] if stale else 0


def _lock(pk: int | None, person: int | None = None) -> Session:
    """Return the active session, locked until the transaction ends; raise a final EffectConflict."""
    session = Session.objects.select_for_update().filter(pk=pk or 0).first()
    active = find_by_id(pk) if session else None
    if active is None or (person is not None and active.person_id != person):
        raise EffectConflict(_("Your session expired. Please start again."), final=True)
    return active


def _active_sessions(now: datetime) -> Any:
    return Session.objects.filter(ended_at=None, expires_at__gt=now)
