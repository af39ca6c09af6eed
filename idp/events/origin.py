"""The origin of the current work: address, user agent and request ID.

It is set only by a ``with`` block, which resets it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

MAX_AGENT_LENGTH = 200


@dataclass(frozen=True)
class Origin:
    """The origin of a request.

    ``address``: an IP address, "unknown" where a proxy named none, or "" outside of a request; see
    foundation/addresses.py.

    ``agent``: its User-Agent on one line, cut to 200 characters.
    """

    address: str = ""
    agent: str = ""
    request_id: str = ""


_NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


@contextmanager
def origin_scope(origin: Origin) -> Iterator[Origin]:
    """Run the block on behalf of ``origin``."""
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)


def current_origin() -> Origin:
    """Return the origin of the current work; it is empty in tasks and commands."""
    return _current.get()
