"""Mail addresses: kept as they were written, compared without regard to spelling, and sent to by the name of
the domain that was meant.
"""

from idp.foundation.domains import ascii_domain, unicode_domain
from idp.foundation.text import fold, nfkc

_LONGEST = 254


def checked(address: str) -> str:
    """Return the address as it was written; raise ValueError where its domain can be none, or where it is too
    long (RFC 5321).
    """
    if len(address) > _LONGEST:
        raise ValueError(f"an address has {_LONGEST} characters at most")
    if "@" in address and not _is_literal(address):
        ascii_domain(address.rpartition("@")[2])
    return address


def deliverable(address: str) -> str:
    """Return the address with the domain to which its mail goes; raise ValueError where that can be none."""
    local, at, domain = address.rpartition("@")
    return address if _is_literal(address) else f"{local}{at}{ascii_domain(domain)}"


def readable(address: str) -> str:
    """Return the address in lower case, its domain in the letters that people read: two of the same are one
    mailbox.
    """
    local, at, domain = address.rpartition("@")
    return f"{nfkc(local).lower()}{at}{unicode_domain(domain)}"


def key(address: str) -> str:
    """Return what addresses that may be taken for each other have in common, for look-ups and uniqueness, and
    never to be sent to.
    """
    return fold(readable(address)) if address else ""


def as_written(folded: str, written: str) -> str:
    """Return what was written where it is that address; an earlier release stores another one folded, and
    nothing beside it.
    """
    return written if key(written) == folded else folded


def _is_literal(address: str) -> bool:
    return address.rpartition("@")[2].startswith("[")
