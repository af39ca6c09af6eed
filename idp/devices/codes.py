"""User codes: base 20 without vowels, read in any case and with any punctuation (RFC 8628 section 6.1)."""

import secrets

from idp.foundation.sealing import mac, macs
from idp.foundation.text import fold_code

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH, LONG_LENGTH = 8, 12


def new_user_code(length: int = LENGTH) -> str:
    """Return random letters, each of the twenty with the same probability (checklist D36)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def format_code(code: str) -> str:
    """Return the code in groups of four, as a device displays it: XXXX-XXXX."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def normalize_user_code(typed: str) -> str:
    """Return the letters of a typed code.

    Case, width, dashes, spaces and everything else outside the alphabet are ignored (checklist D22).
    """
    return "".join(letter for letter in fold_code(typed) if letter in ALPHABET)[: LONG_LENGTH + 1]


def user_code_hash(code: str) -> str:
    """Return the keyed hash to store; 35 bits could be guessed from a plain hash in seconds."""
    return mac("user_code", code)


def user_code_hashes(code: str) -> list[str]:
    """Return the hash under every key of the server that is still accepted."""
    return macs("user_code", code)
