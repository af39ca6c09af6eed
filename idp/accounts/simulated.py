"""The simulated person of a dry run.

Within the block, the functions that read people know this person. It is impossible to sign in as them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.utils import timezone

from idp.accounts.models import Person
from idp.tenancy.scope import current_tenant

PK = -1  # not the key of any row


@dataclass(frozen=True)
class SimulatedPerson:
    """The assumed properties of the person; ``username`` is folded, ``credentials`` are their kinds."""

    username: str
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    role: str = ""

    def as_person(self) -> Person:
        """Return an unsaved row for the person, which no password can prove."""
        values = {"username": self.username, "name": self.name, "attributes": dict(self.attributes)}
        flags = {"role": self.role, "email_verified": bool(self.email), "created_at": timezone.now()}
        person = Person(pk=PK, tenant=current_tenant(), **flags, **values)
        person.set_email(self.email)
        return person


_current: ContextVar[SimulatedPerson | None] = ContextVar("simulated_person", default=None)


@contextmanager
def simulate_person(simulated: SimulatedPerson | None) -> Iterator[None]:
    """Simulate the person within the block, on this thread; None simulates no one."""
    token = _current.set(simulated)
    try:
        yield
    finally:
        _current.reset(token)


def current_person() -> SimulatedPerson | None:
    """Return the simulated person, if any."""
    return _current.get()


def by_key(pk: int | None) -> SimulatedPerson | None:
    """Return the simulated person if this is their key."""
    return current_person() if pk == PK else None
