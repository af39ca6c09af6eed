"""Secrets: random tokens, their hashes, MACs of short codes, and encryption at rest.

Encryption and MACs use the server's key.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

from idp.foundation.errors import DomainError


class Unsealable(DomainError):
    """A sealed value was made under a key that this server no longer has."""


def new_token() -> str:
    """Return 256 random bits as 64 hexadecimal digits, which no client has to encode."""
    return secrets.token_hex(32)


def digest(token: str) -> str:
    """Return the SHA-256 of a generated secret of 128 bits or more; use :func:`mac` for anything shorter."""
    return hashlib.sha256(token.encode()).hexdigest()


def mac(purpose: str, value: str) -> str:
    """Return the HMAC-SHA-256 of a short or guessable value under the server's key."""
    return _mac(settings.SECRET_KEY, purpose, value)


def macs(purpose: str, value: str) -> list[str]:
    """Return the MAC under every accepted key, newest first, to look up what an older key hashed."""
    return [_mac(key, purpose, value) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def mac_under(key: str, purpose: str, value: str) -> str:
    """Return the MAC under a random key that is sealed beside it, for what must outlive the server's key."""
    return _mac(key, purpose, value)


def is_current(sealed: str) -> bool:
    """Return whether :func:`seal` made this under the current key."""
    try:
        _box_of((settings.SECRET_KEY,)).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def constant_time_equal(left: str, right: str) -> bool:
    """Return whether two secrets are equal, in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def seal(text: str) -> str:
    """Encrypt ``text`` under the current key."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt a value of :func:`seal` under the current key or a fallback; raise :class:`Unsealable`."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable from None


@dataclass(frozen=True)
class Sealed:
    """A value that is stored encrypted and printed as dots."""

    sealed: str

    @classmethod
    def of(cls, text: str) -> "Sealed":
        """Return ``text`` sealed."""
        return cls(seal(text))

    def open(self) -> str:
        """Return the text; raise :class:`Unsealable`."""
        return unseal(self.sealed)

    def __repr__(self) -> str:
        return "Sealed(•••)"

    __str__ = __repr__


class SealedField(models.TextField):  # type: ignore[type-arg]  # Django has no generic fields
    """A text column that is encrypted at rest.

    Migrations see a plain text column, so that this class may move.
    """

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        return seal(value) if value else value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return unseal(value) if value else value


def _mac(key: str, purpose: str, value: str) -> str:
    return hmac.new(key.encode(), f"foyer.{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()


def _box() -> MultiFernet:
    return _box_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(_derive(key))) for key in keys])


def _derive(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"foyer.sealing").derive(key.encode())
