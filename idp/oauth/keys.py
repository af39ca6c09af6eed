"""The tenant's signing keys: generated once, stored encrypted, published as JWKS (RFC 7517)."""

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from django.db import transaction
from django.utils import timezone
from jwt.algorithms import RSAAlgorithm

from idp.events.bus import publish, publish_bulk
from idp.foundation.clocks import LEEWAY
from idp.oauth.errors import TokenFromTheFuture
from idp.oauth.models import SigningKey

ALGORITHM = "RS256"
# longer than the lifetime of any access or ID token, so that a rotation invalidates none of them
_OVERLAP = timedelta(days=2)


def current_key() -> SigningKey:
    """Return the newest key that does not retire; it is created on first use."""
    return SigningKey.objects.filter(retires_at=None).order_by("-pk").first() or _create()


def sign(key: SigningKey, claims: dict[str, Any], typ: str) -> str:
    """Return ``claims`` as a compact JWS under this key, with ``typ`` and ``kid`` in its header."""
    return jwt.encode(
        claims,
        _private(key.kid, key.private_key),
        algorithm=key.algorithm,
        headers={"typ": typ, "kid": key.kid},
    )


def verify(token: str, *, typ: str, issuer: str) -> dict[str, Any] | None:
    """Return the claims of a valid token, or None.

    This tenant must have signed it for this issuer with this ``typ``, and it must not have expired.

    The host that issued it may have a clock that is up to a minute ahead. For a token from further ahead,
    raise TokenFromTheFuture. The tolerance does not extend its lifetime: ``exp`` is exact.
    """
    try:
        header = jwt.get_unverified_header(token)
        # compared here, so that an untrusted kid never reaches the database
        candidates = _verifying_keys().only("kid", "algorithm", "public_jwk")
        key = next((each for each in candidates if each.kid == header.get("kid")), None)
        if key is None or header.get("typ") != typ:
            return None
        public = cast(RSAPublicKey, RSAAlgorithm.from_jwk(json.dumps(key.public_jwk)))
        options: Any = {"require": ["exp", "iat", "iss", "aud", "sub"]}
        known = {"algorithms": [key.algorithm], "issuer": issuer, "audience": issuer, "options": options}
        claims: dict[str, Any] = jwt.decode(token, public, leeway=LEEWAY, **known)
        return claims if int(claims["exp"]) > time.time() else None
    except jwt.ImmatureSignatureError:
        raise TokenFromTheFuture from None
    except (jwt.PyJWTError, ValueError):
        return None


def key_set() -> dict[str, list[dict[str, Any]]]:
    """Return the JWK Set: every key that may have signed a token that is still valid."""
    current_key()
    return {"keys": [key.public_jwk for key in _verifying_keys().order_by("-pk").only("public_jwk")]}


@transaction.atomic
def rotate(*, by: str, keep_old: bool = True) -> SigningKey:
    """Create a new key that signs from now on, and return it.

    The old keys verify for two more days, or no longer with ``keep_old`` False.
    """
    retired = SigningKey.objects.filter(retires_at=None) if keep_old else _verifying_keys()
    old = [(kid, "", "") for kid in retired.order_by("pk").values_list("kid", flat=True)]
    retired.update(retires_at=timezone.now() + (_OVERLAP if keep_old else timedelta(0)))
    key = _create()
    publish_bulk(
        "key.retired", old, actor=by, why="verifies for two more days" if keep_old else "refused at once"
    )
    publish("key.rotated", actor=by, target=key.kid)
    return key


def retiring_keys() -> list[tuple[str, datetime]]:
    """Return (kid, until when it verifies) of the keys that only verify, the next to retire first."""
    rows = SigningKey.objects.filter(retires_at__gt=timezone.now()).order_by("retires_at")
    return [(kid, until) for kid, until in rows.values_list("kid", "retires_at") if until]


def _create() -> SigningKey:
    private = generate_private_key(public_exponent=65537, key_size=2048)
    jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = _thumbprint(jwk)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = {"kty": jwk["kty"], "n": jwk["n"], "e": jwk["e"], "kid": kid, "use": "sig", "alg": ALGORITHM}
    return SigningKey.objects.create(
        kid=kid, algorithm=ALGORITHM, private_key=pem.decode(), public_jwk=public
    )


def _thumbprint(jwk: dict[str, Any]) -> str:
    """Return the thumbprint of RFC 7638: the hash of the required members in lexicographic order."""
    members = json.dumps(
        {name: jwk[name] for name in ("e", "kty", "n")}, separators=(",", ":"), sort_keys=True
    )
    return urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()


@lru_cache(maxsize=256)
def _private(kid: str, pem: str) -> RSAPrivateKey:
    return cast(RSAPrivateKey, serialization.load_pem_private_key(pem.encode(), password=None))


def _verifying_keys() -> Any:
    return SigningKey.objects.exclude(retires_at__lte=timezone.now())
