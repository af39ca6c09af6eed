"""Retries at the token endpoint: the same code or token gets the same response after a lost one.

Nothing of a response is stored but its number and hashes. Its refresh token is derived from what the client
presented, so that only a client that presents it again can get it again. Its access token is signed over the
same claims.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from django.utils import timezone

from idp.foundation.clocks import age
from idp.foundation.sealing import digest, macs
from idp.oauth.models import RefreshToken, TokenFamily

GRACE = timedelta(seconds=10)
_RANDOM, LENGTH = 20, 32  # characters of a response's number


@dataclass(frozen=True)
class PreviousResponse:
    """An earlier response: its token family, its time, and its refresh token if it has one."""

    family: TokenFamily
    at: datetime
    refresh_token: str | None


def new_response_number(presented: str) -> str:
    """Return the number of a new response: 80 random bits and a hash of the presented code or token."""
    return token_hex(_RANDOM // 2) + _hash_of(presented)


def new_refresh_token(number: str, presented: str) -> str:
    """Return the refresh token of this response, 256 bits.

    It cannot be computed without the server's key and what was presented.
    """
    return next(_refresh_tokens(number, presented))


def find_repeatable_response(
    family: TokenFamily | None, presented: str, at: datetime | None
) -> PreviousResponse | None:
    """Return the response that ``presented`` got at this time, if it may be repeated.

    It may not after ten seconds, nor once a token of it was used: then two parties have the code or token,
    and one of them should not.
    """
    if family is None or at is None or age(at) > GRACE:
        return None
    alive = family.revoked_at is None and family.expires_at > timezone.now()
    if not alive or family.unused_answer[_RANDOM:] != _hash_of(presented):
        return None
    stored = set(
        RefreshToken.objects.filter(family=family, rotated_at=None).values_list("token_hash", flat=True)
    )
    found = [token for token in _refresh_tokens(family.unused_answer, presented) if digest(token) in stored]
    if stored and not found:
        return None
    return PreviousResponse(family, at, found[0] if found else None)


def record_use(family: TokenFamily, number: str) -> None:
    """Record that a token of this response was used: one write for each response, at the first use."""
    if number and family.unused_answer == number:
        TokenFamily.objects.filter(pk=family.pk, unused_answer=number).update(unused_answer="")


def parse_response_number(jti: str) -> str:
    """Return the number of the response that contained the access token with this ``jti``."""
    return jti.partition(".")[2][:LENGTH]


def _hash_of(presented: str) -> str:
    return digest(presented)[: LENGTH - _RANDOM]


def _refresh_tokens(number: str, presented: str) -> Iterator[str]:
    """Yield the refresh token under each key that this server accepts, the current one first."""
    yield from macs("refresh token", f"{number} {presented}")
