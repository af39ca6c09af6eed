"""Email addresses: stored as written, compared regardless of spelling, delivered to the ASCII domain."""

from idp.foundation.domains import ascii_domain, unicode_domain
from idp.foundation.text import fold, nfkc

_MAX_LENGTH = 254


def validate_address(address: str) -> str:
    """Return the address as written; raise ValueError where it is too long or its domain is invalid.

    The limit is that of RFC 5321.
    """
    if len(address) > _MAX_LENGTH:
        raise ValueError(f"an address has {_MAX_LENGTH} characters at most")
    if "@" in address and not _is_literal(address):
        ascii_domain(address.rpartition("@")[2])
    return address


def delivery_address(address: str) -> str:
    """Return the address with the domain in ASCII, for delivery; raise ValueError where it is invalid."""
    local, at, domain = address.rpartition("@")
    return address if _is_literal(address) else f"{local}{at}{ascii_domain(domain)}"


def display_address(address: str) -> str:
    """Return the address in lower case with its domain in Unicode; equal results are one mailbox."""
    local, at, domain = address.rpartition("@")
    return f"{nfkc(local).lower()}{at}{unicode_domain(domain)}"


def lookup_key(address: str) -> str:
    """Return what confusable addresses have in common, for look-ups and uniqueness.

    Mail must never be sent to it.
    """
    return fold(display_address(address)) if address else ""


def original_spelling(folded: str, written: str) -> str:
    """Return ``written`` if it is the address ``folded``, otherwise ``folded``.

    They differ after an earlier release has stored a new address, which it does only folded.
    """
    return written if lookup_key(written) == folded else folded


def _is_literal(address: str) -> bool:
    return address.rpartition("@")[2].startswith("[")
