"""Facts: what a run has learned, as frozen values, and their JSON in the run's row.

Claimed and proved are two facts, and a proof names its person. A time is a datetime here and ISO 8601 in the
JSON.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from types import MappingProxyType, NoneType
from typing import Any, Generic, Self, TypeVar, overload

from idp.foundation.sealing import Sealed


class BrokenFlow(Exception):
    """The flow is misconfigured: the run is refused and the administrators are notified."""


class MissingFact(BrokenFlow):
    """A stage reads a fact that its run does not know; the engine checks only what the stage needs."""


@dataclass(frozen=True)
class Fact:
    """The base class of the values."""

    @classmethod
    def load(cls, stored: object) -> Self:
        """Return the value in its JSON; raise ValueError for any other shape, without quoting it."""
        members = {member.name: member for member in fields(cls)}
        required = {name for name, member in members.items() if member.default is MISSING}
        if not isinstance(stored, Mapping) or not required <= stored.keys() <= members.keys():
            raise ValueError(f"The members of {cls.__name__} are {', '.join(members)}.")
        values: dict[str, Any] = {}
        for name, value in stored.items():
            try:
                values[name] = _READERS[members[name].type](value)
            except (TypeError, ValueError):
                raise ValueError(f"{cls.__name__} has an invalid {name}.") from None
        return cls(**values)

    def dump(self) -> dict[str, Any]:
        """Return the value as JSON, with Sealed as it is, without members at their default."""
        values = {member: getattr(self, member.name) for member in fields(self)}
        return {member.name: _as_json(value) for member, value in values.items() if value != member.default}


@dataclass(frozen=True)
class ClaimedPerson(Fact):
    """A person was identified, which proves nothing; ``id`` None: no one has this name.

    ``name`` is not printed, because people type passwords there by mistake.
    """

    id: int | None
    name: str = field(repr=False)


@dataclass(frozen=True)
class Proof(Fact):
    """The person was verified by ``method`` (RFC 8176).

    ``enrolled``: a second factor was only set up in this run, so no session takes it over.
    """

    person: int
    method: str
    at: datetime
    enrolled: bool = False


@dataclass(frozen=True)
class SignedIn(Fact):
    """The person has a session, proved by ``methods``; ``session`` None: one that a dry run would start."""

    person: int
    session: int | None
    at: datetime
    methods: tuple[str, ...]


@dataclass(frozen=True)
class AssumedDevice(Fact):
    """The device of a dry run, which has no row."""

    address: str
    asked: datetime
    label: str


@dataclass(frozen=True)
class ConnectionRequest(Fact):
    """A device is to be connected to an application, within these scopes.

    ``flow``: the flow that the application uses, "" for the tenant's. ``shows``: the device of a dry run; the
    keys are then 0.
    """

    kind: str
    device: int
    application: int
    scopes: tuple[str, ...]
    flow: str
    user_code: Sealed
    shows: AssumedDevice | None = None


@dataclass(frozen=True)
class Approval(Fact):
    """The person approved the device within these scopes."""

    device: int
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class NewCredential(Fact):
    """The person set up a credential of this kind."""

    person: int
    kind: str
    at: datetime


@dataclass(frozen=True)
class SignedOut(Fact):
    """The session was ended; None: one that a dry run would have started."""

    session: int | None


Value = TypeVar("Value", bound=Fact)


class _Member(Generic[Value]):
    """A fact as a member of :class:`Facts`: reading it while it is not known raises MissingFact."""

    def __init__(self, kind: type[Value], meaning: str) -> None:
        self.kind, self.meaning, self.name = kind, meaning, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, facts: None, owner: type) -> None: ...
    @overload
    def __get__(self, facts: "Facts", owner: type) -> Value: ...
    def __get__(self, facts: "Facts | None", owner: type) -> Value | None:
        if facts is None:  # the class asks for the member's default
            return None
        known: Value | None = vars(facts).get(self.name)
        if known is None:
            raise MissingFact(f"A stage reads {self.name}, which is not known. Declare it in its needs.")
        return known

    def __set__(self, facts: "Facts", value: Value | None) -> None:
        """Set the member of a value under construction; afterwards its class refuses every change."""
        if isinstance(value, self.kind):
            vars(facts)[self.name] = value
        elif value is not None:
            raise TypeError(f"The fact {self.name} must be a {self.kind.__name__}.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Facts:
    """What is known: ``name in facts`` tells whether a fact is, and reading any other raises MissingFact.

    ``own``: the facts of stages of other packages, by name; JSON or Sealed.
    """

    person: _Member[ClaimedPerson] = _Member(ClaimedPerson, "a person was identified")
    proof: _Member[Proof] = _Member(Proof, "the person was authenticated")
    second_factor: _Member[Proof] = _Member(Proof, "a second factor was verified")
    signed_in: _Member[SignedIn] = _Member(SignedIn, "the person has a session")
    request: _Member[ConnectionRequest] = _Member(ConnectionRequest, "the request is known")
    consent: _Member[Approval] = _Member(Approval, "the person approved the request")
    credential: _Member[NewCredential] = _Member(NewCredential, "a sign-in method was set up")
    signed_out: _Member[SignedOut] = _Member(SignedOut, "the session was ended")
    own: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if taken := sorted(self.own.keys() & _MEMBERS.keys()):
            raise ValueError(f"{', '.join(taken)}: a fact of another package needs another name.")
        object.__setattr__(self, "own", _frozen(self.own))

    @classmethod
    def load(cls, stored: Mapping[str, object]) -> "Facts":
        """Return the facts in their JSON; raise ValueError for any other shape."""
        kinds = {name: member.kind for name, member in _MEMBERS.items()}
        own = {name: fact for name, fact in stored.items() if name not in kinds}
        known: dict[str, Any] = {name: kinds[name].load(stored[name]) for name in kinds if name in stored}
        return cls(**known, own=own)

    def dump(self) -> dict[str, Any]:
        """Return the facts as JSON, by name; Sealed as it is."""
        return {name: _as_json(fact) for name, fact in {**self.by_name, **self.own}.items()}

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """Return what it means that a fact is known, by name, without facts of other packages."""
        return {name: member.meaning for name, member in _MEMBERS.items()}

    @property
    def by_name(self) -> dict[str, Fact]:
        """The known facts, without those of other packages."""
        return {name: fact for name, fact in vars(self).items() if name != "own"}

    @property
    def names(self) -> frozenset[str]:
        """The names of all known facts."""
        return frozenset({*self.by_name, *self.own})

    @property
    def claimed_person(self) -> int | None:
        """The ID of the claimed person; None where no one is claimed, or no one has the name."""
        return self.person.id if "person" in self else None

    def only(self, names: Collection[str]) -> "Facts":
        """Return the facts with these names."""
        own = {name: fact for name, fact in self.own.items() if name in names}
        known: dict[str, Any] = {name: fact for name, fact in self.by_name.items() if name in names}
        return Facts(**known, own=own)

    def without(self, *names: str) -> "Facts":
        """Return the facts with other names."""
        return self.only(self.names - set(names))

    def __or__(self, newer: "Facts") -> "Facts":
        return Facts(**{**vars(self), **vars(newer), "own": {**self.own, **newer.own}})

    def __contains__(self, name: object) -> bool:
        return name in self.own or (name != "own" and name in vars(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Facts) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return (
            f"Facts({', '.join(f'{name}={fact!r}' for name, fact in {**self.by_name, **self.own}.items())})"
        )


_MEMBERS: dict[str, _Member[Any]] = {
    name: member for name, member in vars(Facts).items() if isinstance(member, _Member)
}


def _frozen(value: Any) -> Any:
    """Return JSON with mappings and lists that cannot be changed."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _as_json(value: Any) -> Any:
    if isinstance(value, Fact):
        return value.dump()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    return list(map(_as_json, value)) if isinstance(value, list | tuple) else value


def _reader(*kinds: type) -> Callable[[object], object]:
    """Return a function that accepts values of these types only; a bool is no int."""

    def read(value: object) -> object:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError
        return value

    return read


def _read_time(value: object) -> datetime:
    moment = datetime.fromisoformat(str(_read_text(value)))
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _read_texts(value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_read_text, value))


_read_text = _reader(str)
_READERS: dict[Any, Callable[[object], object]] = {
    int: _reader(int),
    int | None: _reader(int, NoneType),
    str: _read_text,
    bool: _reader(bool),
    datetime: _read_time,
    tuple[str, ...]: _read_texts,
    Sealed: _reader(Sealed),
    AssumedDevice | None: AssumedDevice.load,
}
