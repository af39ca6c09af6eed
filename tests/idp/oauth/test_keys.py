"""Signing keys: sealed at rest, one tenant's are not another's, and only the right kind of token verifies."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from idp.oauth import keys
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

ISSUER = "http://acme.test"


def token(**changes: Any) -> str:
    """A token that verifies unless something is changed; None leaves a claim out."""
    now = int(timezone.now().timestamp())
    claims = {"iss": ISSUER, "aud": ISSUER, "sub": "x", "iat": now, "exp": now + 60, **changes}
    return keys.sign(
        keys.current_key(), {name: value for name, value in claims.items() if value is not None}, typ="at+jwt"
    )


def test_right_token_verifies(acme: Tenant) -> None:
    """J1, J2, J3: typ, signature, issuer, audience and time."""
    claims = keys.verify(token(), typ="at+jwt", issuer=ISSUER)
    assert claims is not None
    assert claims["sub"] == "x"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "http://other.test"},
        {"iss": ISSUER + "/"},
        {"aud": "tv"},
        {"exp": 1},
        *({name: None} for name in ("iss", "aud", "exp", "sub", "iat")),
    ],
    ids=str,
)
def test_other_tokens_do_not(acme: Tenant, changes: dict[str, Any]) -> None:
    """J3, K4: another issuer, even by a slash; another audience; expired; a claim missing."""
    assert keys.verify(token(**changes), typ="at+jwt", issuer=ISSUER) is None


def test_an_id_token_is_no_access_token(acme: Tenant) -> None:
    """J7: the typ decides."""
    now = int(timezone.now().timestamp())
    signed = keys.sign(
        keys.current_key(), {"iss": ISSUER, "aud": ISSUER, "sub": "x", "iat": now, "exp": now + 60}, typ="JWT"
    )
    assert keys.verify(signed, typ="at+jwt", issuer=ISSUER) is None


def test_keys_of_another_tenant(acme: Tenant, other: Tenant) -> None:
    """O19: a token that one tenant signed verifies in no other, even for the same issuer."""
    ours = token()
    with tenant_scope(other):
        assert keys.verify(ours, typ="at+jwt", issuer=ISSUER) is None


@pytest.mark.parametrize("kid", ["", "x", "\0", "\ud800", "x" * 5000])
def test_strange_kid(acme: Tenant, kid: str) -> None:
    """O9: a key id from outside is looked up among our own keys and nowhere else."""
    keys.current_key()
    secret = "a shared secret that is long enough for HS256"
    signed = jwt.encode({"sub": "x"}, secret, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"})
    assert keys.verify(signed, typ="at+jwt", issuer=ISSUER) is None


def test_rotation_keeps_old_tokens_for_a_while(acme: Tenant, clock: time_machine.Traveller) -> None:
    """O21: an old key verifies for two days, longer than any token lives; a deleted one verifies nothing."""
    old = token(exp=int(timezone.now().timestamp()) + 86_400 * 7)
    keys.rotate(by="test")
    clock.shift(timedelta(days=2) - timedelta(seconds=1))
    assert keys.verify(old, typ="at+jwt", issuer=ISSUER)
    clock.shift(1)
    assert keys.verify(old, typ="at+jwt", issuer=ISSUER) is None
    fresh = token()
    keys.rotate(by="test", keep_old=False)
    assert keys.verify(fresh, typ="at+jwt", issuer=ISSUER) is None


def test_private_keys_are_sealed(acme: Tenant) -> None:
    """Private keys are encrypted at rest, and nothing private is published."""
    keys.current_key()
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM oauth_signingkey")
        stored = cursor.fetchall()
    assert stored
    assert not [row for [row] in stored if "PRIVATE KEY" in row]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(keys.key_set()["keys"][0])
    assert "private" not in json.dumps(keys.key_set()).lower()
