"""What the tests of the protocol share: credentials as clients send them, tokens, and what tokens open."""

import hmac
import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.jwk import KeySet

from tests.support.client import Door, Doors, Started

TOKEN = "/application/o/token/"
DEVICE = "/application/o/device/"
USERINFO = "/application/o/userinfo/"
KIOSK_SECRET = "kiosk secret/with+odd:characters"
EVERYTHING = "openid profile email offline_access"


def basic(client_id: str, secret: str, *, encoded: bool = True) -> dict[str, str]:
    """The Authorization header of HTTP Basic; both values are form-encoded first (RFC 6749 section 2.3.1)."""
    parts = (quote_plus(client_id), quote_plus(secret)) if encoded else (client_id, secret)
    return {"HTTP_AUTHORIZATION": "Basic " + b64encode(":".join(parts).encode()).decode()}


def outcome(response: Any) -> tuple[int, str]:
    """Status and OAuth error code, "" for a success; every response is JSON."""
    assert response["Content-Type"] == "application/json", response.content
    return response.status_code, response.json().get("error", "")


def tokens_of(response: Any) -> dict[str, Any]:
    """The members of a successful token response."""
    assert response.status_code == 200, response.content
    members: dict[str, Any] = response.json()
    return members


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def verified(door: Door, token: str) -> jwt.Token:
    """Header and claims of a JWT, verified against the published keys by a library that is not ours."""
    keys = KeySet.import_key_set(door.get("/application/o/jwks/").json())
    return jwt.decode(token, keys, algorithms=["RS256"])


def connect(door: Doors, scope: str = EVERYTHING, host: str = "acme.test", **more: str) -> dict[str, Any]:
    """Connect a public television from start to end; returns its tokens."""
    device = door(host)
    started = device.start(scope=scope, **more)
    door(host).approve(started)
    return tokens_of(device.poll(started))


def refresh(device: Door, refresh_token: str, client_id: str | None = "tv", **more: Any) -> Any:
    """Request new tokens."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id, **more}
    extra = {name: form.pop(name) for name in list(form) if name.startswith("HTTP_")}
    return device.post(TOKEN, {name: value for name, value in form.items() if value is not None}, **extra)


def userinfo(device: Door, access_token: str) -> Any:
    """Request the claims of userinfo."""
    return device.get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {access_token}")


def begun(response: Any, client_id: str = "tv") -> Started:
    """A device endpoint's response that must be a success."""
    assert response.status_code == 200, response.content
    return Started(response.json(), client_id)


def forged(door: Door, token: str, algorithm: str) -> str:
    """The token's claims unsigned, or signed with the public key as if it were a shared secret."""
    header, payload, _signature = token.split(".")
    changed = {**json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))), "alg": algorithm}
    signed = f"{_encoded(json.dumps(changed).encode())}.{payload}"
    key = json.dumps(door.get("/application/o/jwks/").json()["keys"][0]).encode()
    return f"{signed}." + (
        "" if algorithm == "none" else _encoded(hmac.digest(key, signed.encode(), "sha256"))
    )


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
