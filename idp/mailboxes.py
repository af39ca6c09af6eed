"""Mail addresses: kept as they were written, compared without regard to spelling, and sent to by the name of the domain that was meant."""

import re
import unicodedata

from idp.text import code_point, fold, nfkc

_DOTS = re.compile("[.\u3002]")
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LETTERS = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})
_AMONG = frozenset("-\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d")  # RFC 5892 appendix A: within the words of some languages
_ACE = "xn--"
_LONGEST = 254


def ascii_domain(domain: str) -> str:
    """Return a domain as the DNS knows it, by IDNA 2008 (RFC 5891); raise ValueError for what can be none.

    Letters are mapped as browsers do (UTS 46) but for ``ß`` and ``ς``, which are letters of their own: ``straße`` is not ``strasse``.
    """
    return ".".join(_ascii_label(label) for label in _DOTS.split(nfkc(domain).lower()))


def unicode_domain(domain: str) -> str:
    """Return a domain in the letters that people read, in lower case; what cannot be read stays as it is."""
    return ".".join(_unicode_label(label) for label in _DOTS.split(nfkc(domain).lower()))


def checked(address: str) -> str:
    """Return the address as it was written; raise ValueError where its domain can be none, or where it is too long (RFC 5321)."""
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
    """Return the address in lower case, its domain in the letters that people read: two of the same are one mailbox."""
    local, at, domain = address.rpartition("@")
    return f"{nfkc(local).lower()}{at}{unicode_domain(domain)}"


def key(address: str) -> str:
    """Return what addresses that may be taken for each other have in common, for look-ups and uniqueness, and never to be sent to."""
    return fold(readable(address)) if address else ""


def as_written(folded: str, written: str) -> str:
    """Return what was written where it is that address; an earlier release stores another one folded, and nothing beside it."""
    return written if key(written) == folded else folded


def _is_literal(address: str) -> bool:
    return address.rpartition("@")[2].startswith("[")


def _ascii_label(label: str) -> str:
    if label.isascii():
        if not _PLAIN.fullmatch(label) or (label.startswith(_ACE) and _unicode_label(label) == label):
            raise ValueError(f"{label or 'nothing'} is no part of a domain")
        return label
    for letter in label:
        if letter not in _AMONG and unicodedata.category(letter) not in _LETTERS:
            raise ValueError(f"a domain does not hold {code_point(letter)}")
    encoded = _ACE + label.encode("punycode").decode("ascii")
    if label[0] == "-" or label[-1] == "-" or label[2:4] == "--" or unicodedata.combining(label[0]) or len(encoded) > 63:
        raise ValueError(f"{label} is no part of a domain")
    return encoded


def _unicode_label(label: str) -> str:
    try:
        return label[len(_ACE) :].encode("ascii").decode("punycode").lower() if label.startswith(_ACE) else label
    except ValueError:
        return label
