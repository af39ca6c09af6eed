"""Keeps secrets: random tokens, hashes of them, keyed hashes of short codes, encryption at rest under the
server's key.
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
    """256 random bits as 64 hexadecimal digits: no character that any client would have to encode."""
    return secrets.token_hex(32)


def digest(token: str) -> str:
    """SHA-256 of a generated secret of 128 bits or more; anything shorter wants :func:`mac`."""
    return hashlib.sha256(token.encode()).hexdigest()


def mac(purpose: str, value: str) -> str:
    """HMAC-SHA-256 of a short or guessable value under the server's key."""
    return _mac(settings.SECRET_KEY, purpose, value)


def macs(purpose: str, value: str) -> list[str]:
    """The same under every key that is still accepted, newest first: for looking up what an older
    key hashed.
    """
    return [_mac(key, purpose, value) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def mac_under(key: str, purpose: str, value: str) -> str:
    """The same under a random key that is stored sealed beside it, for what must outlive the server's key."""
    return _mac(key, purpose, value)


def is_current(sealed: str) -> bool:
    """Whether :func:`seal` made this under the current key."""
    try:
        _box_of((settings.SECRET_KEY,)).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def same(left: str, right: str) -> bool:
    """Compares two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def seal(text: str) -> str:
    """Encrypts ``text`` under the current key."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypts what :func:`seal` made under the current key or a fallback; raises :class:`Unsealable`."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable from None


@dataclass(frozen=True)
class Sealed:
    """A value that is stored encrypted and shows as dots wherever it is printed."""

    sealed: str

    @classmethod
    def of(cls, text: str) -> "Sealed":
        """Seals ``text``."""
        return cls(seal(text))

    def open(self) -> str:
        """The text; raises :class:`Unsealable`."""
        return unseal(self.sealed)

    def __repr__(self) -> str:
        return "Sealed(•••)"

    __str__ = __repr__


class SealedField(models.TextField):  # type: ignore[type-arg]  # Django has no generic fields
    """A text column that is encrypted at rest; in migrations a plain text column, so that this class may
    move.
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
