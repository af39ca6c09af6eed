"""Somebody who does not exist, for a dry run: within the block the reading verbs know this person, and nobody
can sign in as them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.utils import timezone

from idp.accounts.models import Person
from idp.tenancy.scope import current_tenant

PK = -1  # no row has it


@dataclass(frozen=True)
class Invented:
    """What is pretended of them. ``username`` folded; ``credentials``: the kinds that they hold."""

    username: str
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    role: str = ""

    def person(self) -> Person:
        """As the row that they do not have; it cannot be proved by any password."""
        values = {"username": self.username, "name": self.name, "attributes": dict(self.attributes)}
        flags = {"role": self.role, "email_verified": bool(self.email), "created_at": timezone.now()}
        person = Person(pk=PK, tenant=current_tenant(), **flags, **values)
        person.set_email(self.email)
        return person


_current: ContextVar[Invented | None] = ContextVar("invented", default=None)


@contextmanager
def inventing(invented: Invented | None) -> Iterator[None]:
    """Pretends in this block, on this thread, that the person exists; None pretends nothing."""
    token = _current.set(invented)
    try:
        yield
    finally:
        _current.reset(token)


def known() -> Invented | None:
    """Whoever is pretended at the moment."""
    return _current.get()


def by_key(pk: int | None) -> Invented | None:
    """The same, if this is their key."""
    return known() if pk == PK else None
