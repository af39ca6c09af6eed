"""Internationalized domain names (IDNA 2008, RFC 5891), mapped like in browsers (UTS 46)."""

import re

import idna

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ACE = "xn--"


def ascii_domain(domain: str) -> str:
    """Return a domain as the DNS knows it; raise ValueError for an invalid one.

    ``straße`` is not ``strasse``.
    """
    try:
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        return ".".join(_ascii_label(label) for label in mapped.split("."))
    except idna.IDNAError as error:
        raise ValueError(f"{domain[:100] or 'nothing'} is no domain: {error}") from None


def unicode_domain(domain: str) -> str:
    """Return a domain in Unicode and lower case; an invalid one is only in lower case."""
    try:
        return ".".join(_unicode_label(label) for label in ascii_domain(domain).split("."))
    except ValueError:
        return domain.lower()


def _ascii_label(label: str) -> str:
    """Return the ASCII form of a label.

    A label of ASCII letters is left as it is: existing names have hyphens where IDNA allows none.
    """
    if not label.isascii():
        return idna.encode(label).decode("ascii")
    if not _LABEL.fullmatch(label):
        raise idna.IDNAError("each part has 1 to 63 letters, digits and hyphens, and no hyphen at its ends")
    if label.startswith(_ACE):
        idna.decode(label)
    return label


def _unicode_label(label: str) -> str:
    return idna.decode(label) if label.startswith(_ACE) else label
